package alert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// MailServer is the SMTP server that e-mail is given to.
type MailServer struct {
	host               string
	port               int
	encryption         encryption
	username, password string
	from               string
}

// encryption is how a connection to a mail server is protected.
type encryption int

const (
	startTLS encryption = iota
	implicitTLS
	plain
)

// ParseMailServer reads the URL of a mail server: smtp:// for STARTTLS, which the
// server must offer, smtps:// for TLS from the first byte, smtp+plain:// for neither,
// which only a loopback address may have. The ports are 587, 465 and 25 where the URL
// has none. from is the address that e-mail comes from. Errors do not tell the
// password.
func ParseMailServer(raw, from string) (*MailServer, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, errors.New(`must be a URL such as "smtp://user:password@mail.example.com:587"`)
	}
	s := &MailServer{host: u.Hostname(), username: u.User.Username(), from: from}
	s.password, _ = u.User.Password()
	switch u.Scheme {
	case "smtp":
		s.encryption, s.port = startTLS, 587
	case "smtps":
		s.encryption, s.port = implicitTLS, 465
	case "smtp+plain":
		s.encryption, s.port = plain, 25
		if ip := net.ParseIP(s.host); s.host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return nil, errors.New("smtp+plain:// sends mail and password in the clear: use a loopback address")
		}
	default:
		return nil, errors.New("must begin with smtp:// (STARTTLS) or smtps:// (TLS)")
	}
	if u.Port() != "" {
		if s.port, err = strconv.Atoi(u.Port()); err != nil {
			return nil, fmt.Errorf("port %q is not a number", u.Port())
		}
	}
	if err := mail.NewMsg().From(from); err != nil {
		return nil, fmt.Errorf("the sender %q is not an e-mail address", from)
	}
	return s, nil
}

// email sends e-mail.
type email struct {
	// server is nil where there is none.
	server      *MailServer
	authorities *x509.CertPool
}

func (e *email) check(context.Context, *v1alpha1.TenantBudget) error {
	if e.server == nil {
		return &failure{reason: v1alpha1.ReasonNoMailServer,
			message: "the manager has no mail server: set its BURSAR_SMTP_URL and --smtp-from, or remove spec.alerts.email"}
	}
	return nil
}

// send gives an e-mail to the mail server. Once the server has accepted it, later
// errors change nothing.
func (e *email) send(ctx context.Context, budget *v1alpha1.TenantBudget, d letter) error {
	if err := e.check(ctx, budget); err != nil {
		return err
	}
	message, err := e.message(budget, d)
	if err != nil {
		return failed(fmt.Sprintf("%s is not an e-mail address", d.Address))
	}
	client, err := e.client(ctx)
	if err != nil {
		return err
	}
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return failed("failed to connect or log in to the mail server: " + ofServer(err))
	}
	defer func() { _ = client.CloseWithSMTPClient(connection) }()
	err = client.SendWithSMTPClient(connection, message)
	if err != nil && !message.IsDelivered() {
		return refusedMail(d.Address, err)
	}
	return nil
}

func (e *email) client(ctx context.Context) (*mail.Client, error) {
	timeout := sendTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	options := []mail.Option{
		mail.WithPort(e.server.port), mail.WithTimeout(timeout),
		mail.WithTLSConfig(&tls.Config{ServerName: e.server.host, RootCAs: e.authorities, MinVersion: tls.VersionTLS12}),
	}
	switch e.server.encryption {
	case startTLS:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	case implicitTLS:
		options = append(options, mail.WithSSL())
	case plain:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	}
	if e.server.username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover),
			mail.WithUsername(e.server.username), mail.WithPassword(e.server.password))
	}
	return mail.NewClient(e.server.host, options...)
}

// message is the e-mail of a delivery: the same, by its id, at every attempt.
func (e *email) message(budget *v1alpha1.TenantBudget, d letter) (*mail.Msg, error) {
	m := mail.NewMsg()
	if err := errors.Join(m.From(e.server.from), m.To(d.Address)); err != nil {
		return nil, err
	}
	domain := e.server.from[strings.LastIndex(e.server.from, "@")+1:]
	m.SetMessageIDWithValue(d.ID + "@" + strings.TrimSuffix(domain, ">"))
	m.SetDateWithValue(d.RaisedAt)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // keeps out-of-office replies away
	m.Subject(title(d))
	m.SetBodyString(mail.TypeTextPlain, text(budget, d))
	return m, nil
}

// refusedMail is the failure of a mail server that does not take an e-mail. After a
// permanent refusal, the pause before the next attempt is the longest.
func refusedMail(address string, err error) *failure {
	f := failed(fmt.Sprintf("the mail server rejected e-mail to %s: %s", address, ofServer(err)))
	var refusal *mail.SendError
	if errors.As(err, &refusal) && refusal.ErrorCode()/100 == 5 {
		f.wait = longestPause
	}
	return f
}

// ofServer is what a mail server said, or why it said nothing. It does not
// contain the mail server's address, which tenants must not see.
func ofServer(err error) string {
	var refusal *mail.SendError
	if errors.As(err, &refusal) && refusal.ErrorCode() > 0 {
		return fmt.Sprintf("it answered %d %s", refusal.ErrorCode(), refusal.EnhancedStatusCode())
	}
	return cause(err)
}
