package receivers

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// The login of the mail server. It is no secret.
const (
	MailUser     = "bursar"
	MailPassword = "mail-server-password"
)

// MailServer is an SMTP server that requires TLS and a login.
type MailServer struct {
	// StartTLSAddress and TLSAddress are where it listens: for connections that begin
	// in the clear, and for those that begin with TLS.
	StartTLSAddress, TLSAddress string

	servers []*smtp.Server
	mu      sync.Mutex
	mails   []Mail
	refuse  int
	refusal error
}

// Mail is an e-mail that the server has taken.
type Mail struct {
	From   string
	To     []string
	Header mail.Header
	Body   string
}

func startMail(config *tls.Config) (*MailServer, error) {
	s := &MailServer{}
	for _, listen := range []struct {
		address *string
		open    func() (net.Listener, error)
	}{
		{&s.StartTLSAddress, func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }},
		{&s.TLSAddress, func() (net.Listener, error) { return tls.Listen("tcp", "127.0.0.1:0", config) }},
	} {
		listener, err := listen.open()
		if err != nil {
			return nil, errors.Join(err, s.stop())
		}
		*listen.address = listener.Addr().String()
		server := smtp.NewServer(smtp.BackendFunc(s.session))
		server.Domain, server.TLSConfig = "localhost", config
		server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
		s.servers = append(s.servers, server)
		go func() { _ = server.Serve(listener) }() // ends when it is closed
	}
	return s, nil
}

func (s *MailServer) stop() error {
	var errs []error
	for _, server := range s.servers {
		if err := server.Close(); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// RefuseNext makes the server refuse so many e-mails with an SMTP reply, such as 451.
func (s *MailServer) RefuseNext(count, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = count
	s.refusal = &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 3, 0}, Message: "not now"}
}

// Mails are the e-mails taken so far of which the address is a recipient.
func (s *MailServer) Mails(address string) []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	var mails []Mail
	for _, m := range s.mails {
		if slices.Contains(m.To, address) {
			mails = append(mails, m)
		}
	}
	return mails
}

// all are the e-mails taken so far.
func (s *MailServer) all() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

func (s *MailServer) session(*smtp.Conn) (smtp.Session, error) { return &mailSession{server: s}, nil }

// mailSession is one connection.
type mailSession struct {
	server *MailServer
	known  bool
	mail   Mail
}

func (*mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (m *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != MailUser || password != MailPassword {
			return smtp.ErrAuthFailed
		}
		m.known = true
		return nil
	}), nil
}

func (m *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if !m.known {
		return smtp.ErrAuthRequired
	}
	m.mail.From = from
	return nil
}

func (m *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	m.mail.To = append(m.mail.To, to)
	return nil
}

func (m *mailSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	message, err := mail.ReadMessage(strings.NewReader(string(raw)))
	if err != nil {
		return fmt.Errorf("not a message: %w", err)
	}
	body, err := io.ReadAll(message.Body)
	if err != nil {
		return err
	}
	m.mail.Header, m.mail.Body = message.Header, string(body)
	m.server.mu.Lock()
	defer m.server.mu.Unlock()
	if m.server.refuse > 0 {
		m.server.refuse--
		return m.server.refusal
	}
	m.server.mails = append(m.server.mails, m.mail)
	return nil
}

func (m *mailSession) Reset() { m.mail = Mail{} }

func (*mailSession) Logout() error { return nil }
