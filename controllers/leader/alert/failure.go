package alert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// failure is why something cannot be delivered. All of it may be shown to the tenant:
// it contains nothing from a Secret.
type failure struct {
	// reason is one of the reasons of ConditionAlertsFailing.
	reason string
	// message says what is wrong and, where a person can mend it, how.
	message string
	// wait is how long to wait before the next attempt, at least; zero leaves it to
	// the usual pauses.
	wait time.Duration
	// final is set when no attempt will ever succeed.
	final bool
}

func (f *failure) Error() string { return f.message }

func failed(message string) *failure {
	return &failure{reason: v1alpha1.ReasonDeliveryFailing, message: message}
}

// errNotAllowed is the error of a connection to an address that is not to be reached.
var errNotAllowed = errors.New("address is not allowed")

// cause is why a server could not be reached, in words that do not tell its name or
// address: they may be secret.
func cause(err error) string {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var alert tls.AlertError
	var header tls.RecordHeaderError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.Is(err, errNotAllowed):
		return "its address is neither public nor in the manager's --alert-allowed-networks"
	case errors.As(err, &dns):
		return "its host name was not found"
	case errors.As(err, &certificate), errors.As(err, &invalid):
		return "its certificate is not trusted (the manager's --alert-ca-file adds authorities)"
	case errors.As(err, &alert), errors.As(err, &header):
		return "the TLS handshake failed"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "it did not answer in time"
	}
	return "the connection failed"
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
