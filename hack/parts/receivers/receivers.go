package receivers

import (
	"crypto/tls"
	"errors"
	"net"

	"k8s.io/client-go/util/cert"
)

// Receivers are a mail server and a receiver of webhooks.
type Receivers struct {
	Mail    *MailServer
	Webhook *Webhook
	// Authority is the certificate, in PEM, by which both are trusted.
	Authority []byte
}

// Start runs both until Stop.
func Start() (*Receivers, error) {
	authority, key, err := cert.GenerateSelfSignedCertKey("localhost", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(authority, key)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	r := &Receivers{Authority: authority}
	if r.Mail, err = startMail(config.Clone()); err != nil {
		return nil, err
	}
	if r.Webhook, err = startWebhook(config.Clone(), r.Mail); err != nil {
		return nil, errors.Join(err, r.Mail.stop())
	}
	return r, nil
}

// Stop ends both.
func (r *Receivers) Stop() error { return errors.Join(r.Mail.stop(), r.Webhook.stop()) }
