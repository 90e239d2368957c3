package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// failure is why a provider gave no answer, or not all of one, in words of our own. The
// errors of net/http quote what the provider sent, which may be what it was sent: a key, or
// the text of a call. They must not reach the log, and are not kept.
type failure struct {
	text string
	// trouble is what the operator of Bursar can mend; empty if it is something else.
	trouble limiterv1.ProviderTrouble
}

func (f failure) Error() string { return f.text }

// Trouble is what the operator of Bursar can mend; empty if it is something else.
func (f failure) Trouble() limiterv1.ProviderTrouble { return f.trouble }

// failureOf is the kind of an error of the transport.
func failureOf(err error) failure {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return failure{text: "it was given up here"}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return failure{"the provider did not answer in time", timedOut(err)}
	case errors.As(err, &dns):
		return failure{"the provider's host name was not found", limiterv1.HostNotFound}
	case errors.Is(err, syscall.ECONNREFUSED):
		return failure{"the provider refused the connection", limiterv1.ConnectionRefused}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return failure{text: "the provider reset the connection"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errClosedByProvider):
		return failure{text: "the provider closed the connection"}
	case isTLS(err):
		return failure{"the TLS handshake with the provider failed", limiterv1.TLSFailed}
	}
	return otherFailure(err)
}

// isTLS reports whether the TLS handshake failed.
func isTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	var alert tls.AlertError
	var header tls.RecordHeaderError
	return errors.As(err, &certificate) || errors.As(err, &invalid) || errors.As(err, &alert) || errors.As(err, &header)
}

// timedOut is the trouble of a timeout: none, if the provider only takes long to answer.
func timedOut(err error) limiterv1.ProviderTrouble {
	return connecting(err, limiterv1.ConnectionTimedOut)
}

// connecting is the trouble, if the error is that no connection could be made.
func connecting(err error, trouble limiterv1.ProviderTrouble) limiterv1.ProviderTrouble {
	var network *net.OpError
	if errors.As(err, &network) && network.Op == "dial" {
		return trouble
	}
	return ""
}

func otherFailure(err error) failure {
	var network *net.OpError
	if errors.As(err, &network) {
		return failure{"the connection to the provider failed", connecting(err, limiterv1.ConnectionFailed)}
	}
	return failure{text: "the provider's answer was malformed, or the connection failed"}
}

// answerBody is the body of an answer, with errors of our own.
type answerBody struct{ io.ReadCloser }

func (b answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, failureOf(err)
}
