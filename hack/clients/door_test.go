//go:build clients

package clients

import (
	"bytes"
	"cmp"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// door is the way to the enforcer, and notes what goes through it.
type door struct {
	*httptest.Server
	// adds is what it adds to the header of every request; set before the first one.
	adds     http.Header
	mu       sync.Mutex
	answered []answered
	// said is what all answers have said, and ended how many of them were read to their end.
	said  bytes.Buffer
	ended int
}

type answered struct {
	status     int
	retryAfter time.Duration
	at         time.Time
	callID     string
}

func newDoor(t *testing.T) *door {
	t.Helper()
	enforcer, err := url.Parse(bursar.EnforcerURLs[0])
	if err != nil {
		t.Fatal(err)
	}
	d := &door{}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(enforcer)
		maps.Copy(r.Out.Header, d.adds)
	}}
	proxy.ErrorLog = log.New(t.Output(), "door: ", log.Lmicroseconds)
	// Each door has its own: any test server that closes also closes connections of the
	// default one, and now and then a stream through another door was cut on this side.
	transport := &http.Transport{}
	proxy.Transport = transport
	proxy.ModifyResponse = func(r *http.Response) error {
		a := answered{status: r.StatusCode, at: time.Now(), callID: r.Header.Get("X-Bursar-Call-Id")}
		a.retryAfter, _ = time.ParseDuration(cmp.Or(r.Header.Get("Retry-After"), "0") + "s")
		r.Body = overheard{r.Body, d}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.answered = append(d.answered, a)
		return nil
	}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The server closes the body when the answer begins. Where that comes before the transport
		// has seen its end, the transport takes that for an error, and cuts off the answer.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		d.Close()
		transport.CloseIdleConnections()
	})
	return d
}

// overheard is the body of an answer, of which the door notes what it says.
type overheard struct {
	io.ReadCloser
	door *door
}

func (o overheard) Read(p []byte) (int, error) {
	read, err := o.ReadCloser.Read(p)
	o.door.mu.Lock()
	defer o.door.mu.Unlock()
	o.door.said.Write(p[:read])
	if err == io.EOF {
		o.door.ended++
	}
	return read, err
}

// heard is what all answers have said so far, and how many of them were read to their end.
func (d *door) heard() (said string, ended int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.said.String(), d.ended
}

func (d *door) log() []answered {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]answered(nil), d.answered...)
}
