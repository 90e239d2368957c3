package main

import (
	"maps"
	"strings"
	"testing"
)

func TestParseOptions(t *testing.T) {
	complete := map[string]string{redisVariable: "redis://:secret@redis:6379/0", databaseVariable: "postgres://bursar@postgres/bursar"}
	for name, tc := range map[string]struct {
		args []string
		env  map[string]string
		// wantErr is a part of the error; empty when there is to be none.
		wantErr string
	}{
		"what is needed":                 {env: complete},
		"Redis by flag":                  {args: []string{"--redis-url", "redis://redis"}, env: map[string]string{databaseVariable: "postgres://x"}},
		"a password by flag":             {args: []string{"--redis-url", "redis://:secret@redis"}, env: complete, wantErr: redisVariable},
		"kubeconfig":                     {args: []string{"--kubeconfig", "/tmp/kubeconfig"}, env: complete},
		"no Redis":                       {env: map[string]string{databaseVariable: "postgres://x"}, wantErr: redisVariable},
		"no Postgres":                    {env: map[string]string{redisVariable: "redis://redis"}, wantErr: databaseVariable},
		"metrics for everybody":          {args: []string{"--metrics-plain"}, env: complete, wantErr: "loopback"},
		"metrics for all addresses":      {args: []string{"--metrics-plain", "--metrics-bind-address=0.0.0.0:80"}, env: complete, wantErr: "loopback"},
		"plain metrics on loopback":      {args: []string{"--metrics-plain", "--metrics-bind-address=127.0.0.1:8080"}, env: complete},
		"plain metrics on loopback6":     {args: []string{"--metrics-plain", "--metrics-bind-address=[::1]:8080"}, env: complete},
		"a mail server":                  {args: []string{"--smtp-from=bursar@example.com"}, env: with(complete, mailServerVariable, "smtp://u:secret@mail.example.com")},
		"a mail server alone":            {env: with(complete, mailServerVariable, "smtp://mail.example.com"), wantErr: "--smtp-from"},
		"a mail server in the clear":     {args: []string{"--smtp-from=bursar@example.com"}, env: with(complete, mailServerVariable, "smtp+plain://mail.example.com"), wantErr: "loopback"},
		"a network that is none":         {args: []string{"--alert-allowed-networks=10.0.0.0"}, env: complete, wantErr: "--alert-allowed-networks"},
		"a host that is none":            {args: []string{"--alert-allowed-hosts=https://example.com"}, env: complete, wantErr: "--alert-allowed-hosts"},
		"authorities that are not there": {args: []string{"--alert-ca-file=/does/not/exist"}, env: complete, wantErr: "--alert-ca-file"},
		"a flag there is not":            {args: []string{"--frobnicate"}, env: complete, wantErr: "frobnicate"},
		"all that is logged":             {args: []string{"--log-level=debug"}, env: complete},
		"a level there is not":           {args: []string{"--log-level=loud"}, env: complete, wantErr: "--log-level"},
		"a word too many":                {args: []string{"please"}, env: complete, wantErr: "please"},
		"two years of the ledger":        {args: []string{"--ledger-months=24"}, env: complete},
		"audits every second":            {args: []string{"--audit-pause=1s"}, env: complete},
		"audits without a pause":         {args: []string{"--audit-pause=0s"}, env: complete, wantErr: "--audit-pause is 0s"},
		"too few of its months":          {args: []string{"--ledger-months=23"}, env: complete, wantErr: "--ledger-months is 23"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseOptions(tc.args, func(name string) string { return tc.env[name] })
			if tc.wantErr == "" && err != nil || tc.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tc.wantErr)) {
				t.Errorf("%+v: got error %v, want one about %q", got, err, tc.wantErr)
			}
		})
	}
}

// with is an environment with one more variable.
func with(env map[string]string, name, value string) map[string]string {
	env = maps.Clone(env)
	env[name] = value
	return env
}

func TestMetricsAreProtected(t *testing.T) {
	protected := options{metricsAddress: ":8443"}.metrics()
	if !protected.SecureServing || protected.FilterProvider == nil {
		t.Errorf("metrics are served with %+v, want TLS and a filter", protected)
	}
}
