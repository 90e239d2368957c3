package alert

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// connectTimeout bounds a connection.
	connectTimeout = 5 * time.Second
	// most is how much of an answer is read, so that the connection can be kept.
	most = 64 << 10
	// longestWait is how long a receiver may tell the manager to wait.
	longestWait = time.Hour
)

// Outbound says where alerts may be posted. Tenants write the URLs, and the manager can reach
// what tenants cannot.
type Outbound struct {
	// Hosts are the only hosts that are posted to: names, and "*.example.com" for all
	// names below one. None means every host.
	Hosts []string
	// Networks are networks that are posted to although they are not of the public
	// internet, such as a company's own.
	Networks []netip.Prefix
}

// poster posts to receivers.
type poster struct {
	client *http.Client
	hosts  []string
}

func newPoster(o Outbound, authorities *x509.CertPool) poster {
	dialer := &net.Dialer{Timeout: connectTimeout, Control: o.guard}
	return poster{hosts: o.Hosts, client: &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    connectTimeout,
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: most,
		},
		// Redirects are not followed: the receiver alone would choose where they lead.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// guard checks the address itself, after its name was resolved: a name may resolve to any
// address.
func (o Outbound) guard(_, address string, _ syscall.RawConn) error {
	host, err := netip.ParseAddrPort(address)
	if err != nil || !o.allows(host.Addr().Unmap()) {
		return errNotAllowed
	}
	return nil
}

func (o Outbound) allows(address netip.Addr) bool {
	return within(o.Networks, address) || isPublic(address)
}

// check says what is wrong with a URL.
func (p poster) check(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil:
		return unusable("the URL must have the scheme https and a host, and no user or password")
	case !p.allowsHost(u.Hostname()):
		return failed("the manager's --alert-allowed-hosts does not allow the host of the URL")
	}
	return nil
}

func (p poster) allowsHost(host string) bool {
	host = strings.ToLower(host)
	return len(p.hosts) == 0 || slices.ContainsFunc(p.hosts, func(allowed string) bool {
		if domain, isPattern := strings.CutPrefix(allowed, "*"); isPattern {
			return strings.HasSuffix(host, domain)
		}
		return host == allowed
	})
}

// post posts a body to a receiver, which has it when it answers 2xx.
func (p poster) post(ctx context.Context, receiver, url string, header http.Header, body []byte) error {
	if err := p.check(url); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return unusable("the URL of the %s is not valid", receiver)
	}
	request.Header = header
	request.Header.Set("User-Agent", "bursar")
	response, err := p.client.Do(request)
	if err != nil {
		return failed(fmt.Sprintf("failed to reach the %s: %s", receiver, cause(err)))
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, most)
	if response.StatusCode/100 == 2 {
		return nil
	}
	f := failed(fmt.Sprintf("the %s answered %d %s", receiver, response.StatusCode, http.StatusText(response.StatusCode)))
	if response.StatusCode/100 == 3 {
		f.message += ", and redirects are not followed"
	}
	f.wait = retryAfter(response.Header.Get("Retry-After"), time.Now())
	return f
}

// retryAfter is how long a receiver asks to wait, in seconds or until a date; zero when it
// does not.
func retryAfter(asked string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(asked); err == nil {
		return time.Duration(min(max(seconds, 0), int(longestWait/time.Second))) * time.Second
	}
	at, err := http.ParseTime(asked)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), longestWait)
}
