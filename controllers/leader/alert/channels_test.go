package alert

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/receivers"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// sent is how one delivery by a channel ends: "" when it was made, else what the tenant
// is told.
func (x *test) sent(channel ledgerv1.Channel, options Options) string {
	x.Helper()
	recipient := budgetstore.Recipient{Channel: channel}
	if channel == ledgerv1.Email {
		recipient.Address = x.mail
	}
	err := x.newDeliverer(options).attempt(x.Context(), budgetstore.Delivery{
		ID: "00000000-0000-0000-0000-000000000001", Tenant: "acme", UID: "u1", Recipient: recipient,
		Told: budgetstore.Told{AlertID: "id", RaisedAt: time.Now()},
	})
	var why *failure
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &why):
		x.Fatalf("not to be shown: %v", err)
	}
	return why.message
}

func TestMailServers(t *testing.T) {
	login := receivers.MailUser + ":" + receivers.MailPassword + "@"
	_, port, _ := strings.Cut(world.Mail.StartTLSAddress, ":")
	for name, tc := range map[string]struct {
		url      string
		distrust bool
		refuse   int
		want     string
	}{
		"STARTTLS":           {url: "smtp://" + login + world.Mail.StartTLSAddress},
		"by name":            {url: "smtp://" + login + "localhost:" + port},
		"TLS from the start": {url: "smtps://" + login + world.Mail.TLSAddress},
		"a wrong password":   {url: "smtp://bursar:no@" + world.Mail.StartTLSAddress, want: "failed to connect or log in to the mail server: the connection failed"},
		"no login":           {url: "smtp://" + world.Mail.StartTLSAddress, want: "the mail server rejected e-mail to testmailservers-no_login@example.com: it answered 502 5.7.0"},
		"not trusted":        {url: "smtp://" + login + world.Mail.StartTLSAddress, distrust: true, want: "failed to connect or log in to the mail server: its certificate is not trusted (the manager's --alert-ca-file adds authorities)"},
		"not now":            {url: "smtp://" + login + world.Mail.StartTLSAddress, refuse: 451, want: "the mail server rejected e-mail to testmailservers-not_now@example.com: it answered 451 4.3.0"},
		"never":              {url: "smtp://" + login + world.Mail.StartTLSAddress, refuse: 554, want: "the mail server rejected e-mail to testmailservers-never@example.com: it answered 554 5.3.0"},
		"nobody there":       {url: "smtp://" + login + "127.0.0.1:1", want: "failed to connect or log in to the mail server: the connection was refused"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTest(t)
			options := x.options()
			var err error
			if options.MailServer, err = ParseMailServer(tc.url, "Bursar <bursar@example.com>"); err != nil {
				t.Fatal(err)
			}
			if tc.distrust {
				options.Authorities = x509.NewCertPool()
			}
			if tc.refuse > 0 {
				world.Mail.RefuseNext(1, tc.refuse)
			}
			if got := x.sent(ledgerv1.Email, options); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			want := 0
			if tc.want == "" {
				want = 1
			}
			if got := len(world.Mail.Mails(x.mail)); got != want {
				t.Errorf("%d e-mails came, want %d", got, want)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		x := newTest(t)
		options := x.options()
		options.MailServer = nil
		if got := x.sent(ledgerv1.Email, options); !strings.Contains(got, "BURSAR_SMTP_URL") {
			t.Errorf("got %q", got)
		}
	})
}

func TestParseMailServer(t *testing.T) {
	for name, tc := range map[string]struct {
		url, from string
		// wantErr is a part of the error; empty when there is to be none.
		wantErr string
	}{
		"STARTTLS":              {url: "smtp://u:p@mail.example.com:587"},
		"TLS":                   {url: "smtps://u:p@mail.example.com"},
		"a sender with a name":  {url: "smtps://mail.example.com", from: "Bursar <bursar@example.com>"},
		"in the clear, at home": {url: "smtp+plain://127.0.0.1:2525"},
		"in the clear, abroad":  {url: "smtp+plain://mail.example.com", wantErr: "loopback"},
		"something else":        {url: "https://u:secret@mail.example.com", wantErr: "must begin with smtp://"},
		"no host":               {url: "smtp://", wantErr: "must be a URL"},
		"a path":                {url: "smtp://mail.example.com/secret", wantErr: "must be a URL"},
		"no URL":                {url: "smtp://u:secret@mail.example.com:x y", wantErr: "must be a URL"},
		"no sender":             {url: "smtp://u:secret@mail.example.com", from: "nobody", wantErr: "sender"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.from == "" {
				tc.from = "bursar@example.com"
			}
			_, err := ParseMailServer(tc.url, tc.from)
			if tc.wantErr == "" && err != nil || tc.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tc.wantErr)) {
				t.Errorf("error %v, want one about %q", err, tc.wantErr)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func TestReceivers(t *testing.T) {
	const outOfReach = "failed to reach the webhook: "
	redirect := func(string) (int, http.Header) {
		return http.StatusTemporaryRedirect, http.Header{"Location": {world.Webhook.URL + "/elsewhere"}}
	}
	for name, tc := range map[string]struct {
		url     string
		options func(*Options)
		answer  func(string) (int, http.Header)
		want    string
	}{
		"takes it": {},
		"fails": {answer: func(string) (int, http.Header) { return 500, nil },
			want: "the webhook answered 500 Internal Server Error"},
		"sends on": {answer: redirect,
			want: "the webhook answered 307 Temporary Redirect, and redirects are not followed"},
		"is not of the public internet": {options: func(o *Options) { o.Outbound.Networks = nil },
			want: outOfReach + "its address is neither public nor in the manager's --alert-allowed-networks"},
		"is none of the hosts": {options: func(o *Options) { o.Outbound.Hosts = []string{"hooks.slack.com"} },
			want: "the manager's --alert-allowed-hosts does not allow the host of the URL"},
		"is one of the hosts": {options: func(o *Options) { o.Outbound.Hosts = []string{"hooks.slack.com", "127.0.0.1"} }},
		"is not trusted": {options: func(o *Options) { o.Authorities = x509.NewCertPool() },
			want: outOfReach + "its certificate is not trusted (the manager's --alert-ca-file adds authorities)"},
		"is not there":     {url: "https://127.0.0.1:1/secret", want: outOfReach + "the connection was refused"},
		"has no such name": {url: "https://secret.invalid/", want: outOfReach + "its host name was not found"},
		"is in the clear":  {url: "http://127.0.0.1/secret", want: "the URL must have the scheme https and a host, and no user or password"},
		"has a password":   {url: "https://u:secret@127.0.0.1/", want: "the URL must have the scheme https and a host, and no user or password"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTest(t)
			options := x.options()
			if tc.options != nil {
				tc.options(&options)
			}
			x.secrets["alerts"]["url"] = tc.url
			if tc.url != "" {
				x.budget.Spec.Alerts.Webhook.URL = ""
				x.budget.Spec.Alerts.Webhook.URLSecretRef = &v1alpha1.SecretKeyRef{Name: "alerts", Key: "url"}
			}
			world.Webhook.Answer(tc.answer)
			t.Cleanup(func() { world.Webhook.Answer(nil) })
			if got := x.sent(ledgerv1.Webhook, options); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if got := world.Webhook.Requests("/elsewhere"); len(got) > 0 {
				t.Error("a redirect was followed")
			}
		})
	}
}

// TestRetryAfter: a receiver that says when to come again is believed, up to an hour.
func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"120": 2 * time.Minute, "999999": time.Hour, "999999999999999": time.Hour, "soon": 0, "-1": 0,
		"Fri, 31 Dec 2100 23:59:59 GMT": time.Hour, "Wed, 21 Oct 2015 07:28:00 GMT": 0,
	} {
		x := newTest(t)
		world.Webhook.Answer(func(string) (int, http.Header) {
			return http.StatusTooManyRequests, http.Header{"Retry-After": {value}}
		})
		t.Cleanup(func() { world.Webhook.Answer(nil) })
		err := newPoster(x.options().Outbound, x.options().Authorities).post(t.Context(), "webhook", world.Webhook.URL, http.Header{}, nil)
		var why *failure
		if !errors.As(err, &why) || why.wait != want {
			t.Errorf("Retry-After %q: %+v, want to wait %s", value, err, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	inHouse := Outbound{Networks: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}}
	for address, want := range map[string]bool{
		"93.184.216.34": true, "2606:4700::1111": true,
		"10.20.3.4": true, "fd00:1::5": true, "::ffff:10.20.3.4": true,
		"10.21.3.4": false, "fd00:2::5": false, "172.16.0.1": false, "192.168.1.1": false,
		"127.0.0.1": false, "::1": false, "::ffff:127.0.0.1": false, "0.0.0.0": false, "::": false,
		"169.254.169.254": false, "fe80::1": false, "fd00:ec2::254": false, "::ffff:169.254.169.254": false,
		"100.100.100.200": false, "224.0.0.1": false, "ff02::1": false, "255.255.255.255": false,
		"64:ff9b::a9fe:a9fe": false, "2002:a9fe:a9fe::1": false,
		// Each network of IANA's registries of special-purpose addresses, at both its ends,
		// and what lies beside it.
		"0.255.255.255": false, "1.0.0.0": true, "9.255.255.255": true, "10.0.0.0": false, "11.0.0.0": true,
		"100.63.255.255": true, "100.64.0.0": false, "100.127.255.255": false, "100.128.0.0": true,
		"126.255.255.255": true, "127.255.255.255": false, "128.0.0.0": true,
		"169.253.255.255": true, "169.254.0.0": false, "169.255.0.0": true,
		"172.15.255.255": true, "172.31.255.255": false, "172.32.0.0": true,
		"192.0.0.0": false, "192.0.0.9": false, "192.0.0.170": false, "192.0.0.192": false, "192.0.1.0": true,
		"192.0.2.0": false, "192.0.2.255": false, "192.0.3.0": true,
		"192.31.196.1": false, "192.52.193.1": false, "192.88.99.1": false, "192.175.48.1": false,
		"192.167.255.255": true, "192.168.255.255": false, "192.169.0.0": true,
		"198.17.255.255": true, "198.18.0.0": false, "198.19.255.255": false, "198.20.0.0": true,
		"198.51.100.1": false, "198.51.101.0": true, "203.0.113.1": false, "203.0.114.0": true,
		"223.255.255.255": true, "239.255.255.255": false, "240.0.0.0": false,
		"168.63.129.16": false, "168.63.129.15": true, "168.63.129.17": true, "::ffff:168.63.129.16": false,
		"::ffff:93.184.216.34": true, "::93.184.216.34": false, "64:ff9b::5db8:d822": false, "64:ff9b:1::1": false,
		"100::1": false, "100:0:0:1::1": false, "1fff:ffff::1": false, "2000::1": true, "3ffe:ffff::1": true, "4000::1": false, "5f00::1": false,
		"2001::1": false, "2001:0:a9fe:a9fe::1": false, "2001:1::1": false, "2001:2::1": false, "2001:3::1": false, "2001:4:112::1": false,
		"2001:10::1": false, "2001:20::1": false, "2001:30::1": false, "2001:1ff:ffff::1": false, "2001:200::1": true,
		"2001:db7::1": true, "2001:db8::1": false, "2001:db9::1": true, "2001:ffff::1": true, "2002::1": false, "2003::1": true,
		"2620:4f:8000::1": false, "2620:4f:8001::1": true, "3fff::1": false, "3fff:fff::1": false, "3fff:1000::1": true,
		"fc00::1": false, "fec0::1": false, "2606:4700::1111%eth0": false,
	} {
		err := inHouse.guard("tcp", netip.AddrPortFrom(netip.MustParseAddr(address), 443).String(), nil)
		if got := err == nil; got != want {
			t.Errorf("%s may be reached: %v, want %v", address, got, want)
		}
	}
}

func TestHosts(t *testing.T) {
	p := poster{hosts: []string{"hooks.slack.com", "*.example.com"}}
	for host, want := range map[string]bool{
		"hooks.slack.com": true, "HOOKS.slack.com": true, "a.example.com": true, "a.b.example.com": true,
		"example.com": false, "badexample.com": false, "hooks.slack.com.example.org": false, "": false,
	} {
		if got := p.allowsHost(host); got != want {
			t.Errorf("%q is allowed: %v, want %v", host, got, want)
		}
	}
}

func TestSigningKeys(t *testing.T) {
	of := func(length int) string {
		return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", length)))
	}
	for name, tc := range map[string]struct {
		secret string
		want   int
	}{
		"one":        {of(24), 1},
		"two":        {of(32) + "\n" + of(64) + "\n", 2},
		"too short":  {of(23), 0},
		"too long":   {of(65), 0},
		"no prefix":  {strings.TrimPrefix(of(32), "whsec_"), 0},
		"not base64": {"whsec_!", 0},
	} {
		keys, err := signingKeys(tc.secret)
		if len(keys) != tc.want || (err == nil) != (tc.want > 0) {
			t.Errorf("%s: %d keys, %v, want %d", name, len(keys), err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), "!") {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
	}
}

// TestVerdict: what stands in the way of alerts is told before there are any, and what
// has come in their way while it does.
func TestVerdict(t *testing.T) {
	for name, tc := range map[string]struct {
		change       func(*test, *Options)
		reason, says string
	}{
		"all in order":          {func(*test, *Options) {}, "Deliverable", "no failed deliveries"},
		"no right":              {func(x *test, _ *Options) { x.forbidden = true }, "SecretUnusable", "not allowed to read Secret acme/alerts: bind ClusterRole bursar-alert-secrets"},
		"no Secret":             {func(x *test, _ *Options) { x.secrets = nil }, "SecretUnusable", "Secret acme/alerts does not exist"},
		"no key":                {func(x *test, _ *Options) { delete(x.secrets["alerts"], "slack") }, "SecretUnusable", "has no key slack"},
		"a secret that is none": {func(x *test, _ *Options) { x.secrets["alerts"]["signing"] = "hunter2" }, "SecretUnusable", "acme/alerts, key signing"},
		"no mail server":        {func(_ *test, o *Options) { o.MailServer = nil }, "NoMailServer", "BURSAR_SMTP_URL"},
		"a receiver that fails": {func(x *test, _ *Options) {
			x.useDatabase()
			world.Webhook.Answer(func(path string) (int, http.Header) {
				if path == x.hook {
					return 500, nil
				}
				return 200, nil
			})
			x.raise("daily")
		}, "DeliveryFailing", "the webhook answered 500"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTest(t)
			options := x.options()
			tc.change(x, &options)
			t.Cleanup(func() { world.Webhook.Answer(nil) })
			d := x.newDeliverer(options)
			if x.store != nil {
				x.manage(d)
			}
			wantStatus := metav1.ConditionTrue
			if tc.reason == "Deliverable" {
				wantStatus = metav1.ConditionFalse
			}
			testkit.Eventually(x, "the verdict is "+tc.reason+" "+tc.says, func() bool {
				got := d.Verdict(t.Context(), x.budget)
				if strings.Contains(got.Message, "hunter2") {
					t.Fatalf("the verdict tells a secret: %s", got.Message)
				}
				return got.Status == wantStatus && got.Reason == tc.reason && strings.Contains(got.Message, tc.says)
			})
		})
	}
}
