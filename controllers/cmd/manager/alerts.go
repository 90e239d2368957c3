package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/pflag"

	"github.com/bursar-dev/bursar/controllers/leader/alert"
)

// alertFlags are the flags about alerts.
type alertFlags struct {
	from            string
	hosts, networks []string
	authorities     string
	cluster, link   string
	console         string
}

func (f *alertFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.from, "smtp-from", "", "sender address of alert e-mail; required with "+mailServerVariable)
	flags.StringSliceVar(&f.hosts, "alert-allowed-hosts", nil, `only hosts that alerts may be posted to, such as "hooks.slack.com,*.example.com" (default: every host)`)
	flags.StringSliceVar(&f.networks, "alert-allowed-networks", nil, `networks that alerts may be posted to besides the public internet, such as "10.20.0.0/16"`)
	flags.StringVar(&f.authorities, "alert-ca-file", "", "PEM file of certificate authorities to trust, besides the system's, for the mail server and webhooks")
	flags.StringVar(&f.cluster, "cluster-name", "", "name of the cluster, for alerts (default: alerts name none)")
	flags.StringVar(&f.link, "alert-link", "", `https URL of a page about the tenant, for alerts, such as "https://grafana.example.com/d/bursar?var-tenant={tenant}"; {tenant}, {namespace}, {budget}, {from} and {to} are filled in (default: none)`)
	flags.StringVar(&f.console, "console-url", "", `https URL of the console, such as "https://bursar.example.com": messages about requests for more link to it, and all alerts if there is no --alert-link (default: none)`)
}

// host is a host name, or "*." and the domain of all its names.
var host = regexp.MustCompile(`^(\*\.)?[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`)

// options are what the flags and the mail server's URL, if any, say.
func (f *alertFlags) options(mailServer string) (o alert.Options, err error) {
	if mailServer != "" {
		if f.from == "" {
			return alert.Options{}, errors.New("no sender for alert e-mail: set --smtp-from together with " + mailServerVariable)
		}
		if o.MailServer, err = alert.ParseMailServer(mailServer, f.from); err != nil {
			return alert.Options{}, fmt.Errorf("%s: %w", mailServerVariable, err)
		}
	}
	for _, name := range f.hosts {
		if !host.MatchString(name) {
			return alert.Options{}, fmt.Errorf(`--alert-allowed-hosts: %q must be a host name in lower case, such as "hooks.slack.com" or "*.example.com"`, name)
		}
	}
	if f.link != "" && !strings.HasPrefix(f.link, "https://") && !strings.HasPrefix(f.link, "http://") {
		return alert.Options{}, fmt.Errorf(`--alert-link: %q must be a URL such as "https://grafana.example.com/d/bursar?var-tenant={tenant}"`, f.link)
	}
	if f.console != "" && !strings.HasPrefix(f.console, "https://") && !strings.HasPrefix(f.console, "http://") {
		return alert.Options{}, fmt.Errorf(`--console-url: %q must be a URL such as "https://bursar.example.com"`, f.console)
	}
	o.Cluster, o.Link, o.Console = f.cluster, f.link, strings.TrimRight(f.console, "/")
	o.Outbound.Hosts = f.hosts
	for _, network := range f.networks {
		prefix, err := netip.ParsePrefix(network)
		if err != nil {
			return alert.Options{}, fmt.Errorf(`--alert-allowed-networks: %q must be a network such as "10.20.0.0/16"`, network)
		}
		o.Outbound.Networks = append(o.Outbound.Networks, prefix)
	}
	if f.authorities != "" {
		if o.Authorities, err = authorities(f.authorities); err != nil {
			return alert.Options{}, fmt.Errorf("--alert-ca-file: %w", err)
		}
	}
	return o, nil
}

// authorities are those of the system and those in a file.
func authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s contains no certificate", file)
	}
	return pool, nil
}
