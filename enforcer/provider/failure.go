package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"
)

// failure is why a provider gave no answer, or not all of one, in words of our own. The
// errors of net/http quote what the provider sent, which may be what it was sent: a key, or
// the text of a call. They must not reach the log, and are not kept.
type failure string

func (f failure) Error() string { return string(f) }

// failureOf is the kind of an error of the transport.
func failureOf(err error) failure {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "it was given up here"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "the provider did not answer in time"
	case errors.As(err, &dns):
		return "the provider's host name was not found"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the provider refused the connection"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the provider reset the connection"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errClosedByProvider):
		return "the provider closed the connection"
	case isTLS(err):
		return "the TLS handshake with the provider failed"
	}
	return otherFailure(err)
}

// isTLS is whether no secure connection came about.
func isTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	var alert tls.AlertError
	var header tls.RecordHeaderError
	return errors.As(err, &certificate) || errors.As(err, &invalid) || errors.As(err, &alert) || errors.As(err, &header)
}

func otherFailure(err error) failure {
	var network *net.OpError
	if errors.As(err, &network) {
		return "the connection to the provider failed"
	}
	return "the provider's answer was malformed, or the connection failed"
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
