package receivers

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Webhook is a receiver of webhooks.
type Webhook struct {
	// URL is its base URL: it accepts every path below. GET shows what has come, with the
	// e-mails.
	URL string

	mail     *MailServer
	server   *http.Server
	mu       sync.Mutex
	requests []Request
	answer   func(path string) (status int, header http.Header)
}

// Request is a request that the receiver was sent, whatever it answered.
type Request struct {
	Path   string
	Header http.Header
	Body   []byte
	// Status is what it answered.
	Status int
}

func startWebhook(config *tls.Config, mail *MailServer) (*Webhook, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &Webhook{URL: "https://" + listener.Addr().String(), mail: mail}
	w.server = &http.Server{Handler: http.HandlerFunc(w.take), TLSConfig: config, ReadHeaderTimeout: time.Minute}
	go func() { _ = w.server.ServeTLS(listener, "", "") }() // ends when it is closed
	return w, nil
}

func (w *Webhook) stop() error { return w.server.Close() }

// Answer makes the receiver answer requests of a path as the function says; nil makes
// it take everything again.
func (w *Webhook) Answer(answer func(path string) (status int, header http.Header)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

// FailNext makes the receiver answer so many requests of a path with 503.
func (w *Webhook) FailNext(path string, count int) {
	w.Answer(func(asked string) (int, http.Header) {
		if asked == path && count > 0 {
			count--
			return http.StatusServiceUnavailable, nil
		}
		return http.StatusOK, nil
	})
}

// Requests are the requests of a path so far.
func (w *Webhook) Requests(path string) []Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	var requests []Request
	for _, r := range w.requests {
		if r.Path == path {
			requests = append(requests, r)
		}
	}
	return requests
}

// Taken are the requests of a path that were answered 200.
func (w *Webhook) Taken(path string) []Request {
	var taken []Request
	for _, r := range w.Requests(path) {
		if r.Status == http.StatusOK {
			taken = append(taken, r)
		}
	}
	return taken
}

// show lists what has come, for people: the e-mails, then what was posted.
func (w *Webhook) show(response http.ResponseWriter) {
	response.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, m := range w.mail.all() {
		_, _ = fmt.Fprintf(response, "e-mail to %s: %s\n\n%s\n", strings.Join(m.To, ", "), m.Header.Get("Subject"), m.Body)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		_, _ = fmt.Fprintf(response, "POST %s, answered %d:\n\n%s\n\n", r.Path, r.Status, r.Body)
	}
}

func (w *Webhook) take(response http.ResponseWriter, request *http.Request) {
	if request.Method == http.MethodGet {
		w.show(response)
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // Whoever hung up has sent nothing.
	}
	r := Request{Path: request.URL.Path, Header: request.Header.Clone(), Body: body, Status: http.StatusOK}
	w.mu.Lock()
	if w.answer != nil {
		var header http.Header
		r.Status, header = w.answer(r.Path)
		for name, values := range header {
			response.Header()[name] = values
		}
	}
	w.requests = append(w.requests, r)
	w.mu.Unlock()
	response.WriteHeader(r.Status)
}
