package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bursar-dev/bursar/enforcer/call"
)

// target is where calls are made.
type target struct {
	url, key, model string
	// status is what its answers must have.
	status int
}

// request is a call as it is written to a connection.
func (t target) request(streamed bool) (address string, request []byte, err error) {
	u, err := url.Parse(t.url)
	if err != nil {
		return "", nil, err
	}
	body := fmt.Sprintf(`{"model":%q,"stream":%t,"max_tokens":2000,"messages":[{"role":"system","content":"You answer in one sentence."},`+
		`{"role":"user","content":"What is the answer to the question of life, the universe and everything?"}]}`, t.model, streamed)
	if streamed {
		body = strings.Replace(body, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1)
	}
	return u.Host, fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nUser-Agent: bench\r\n"+
		"Content-Length: %d\r\n\r\n%s", u.Path, u.Host, t.key, len(body), body), nil
}

// load is what came of making calls.
type load struct {
	calls int
	took  time.Duration
	// waits are how long each took, in order.
	waits []time.Duration
}

// p50 is how long the call in the middle took.
func (l load) p50() time.Duration { return l.waits[len(l.waits)/2] }

// callFor has callers make calls, each one after the other on a connection of its own, until
// the time is over and the last has ended: at least one each.
func callFor(ctx context.Context, t target, callers int, d time.Duration, streamed bool) (load, error) {
	address, request, err := t.request(streamed)
	if err != nil {
		return load{}, err
	}
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		total load
		first error // the others say the same
	)
	begin := time.Now()
	for range callers {
		all.Go(func() {
			waits, err := callUntil(ctx, address, request, t.status, begin.Add(d))
			mu.Lock()
			defer mu.Unlock()
			total.calls += len(waits)
			total.waits, first = append(total.waits, waits...), cmp.Or(first, err)
		})
	}
	all.Wait()
	total.took = time.Since(begin)
	slices.Sort(total.waits)
	return total, first
}

func callUntil(ctx context.Context, address string, request []byte, status int, until time.Time) (waits []time.Duration, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	reader := bufio.NewReaderSize(conn, 32<<10)
	for begin := time.Now(); len(waits) == 0 || begin.Before(until) && ctx.Err() == nil; {
		if _, err := conn.Write(request); err != nil {
			return waits, err
		}
		if _, err := readAnswer(reader, status); err != nil {
			return waits, err
		}
		now := time.Now()
		waits = append(waits, now.Sub(begin))
		begin = now
	}
	return waits, ctx.Err()
}

// readAnswer reads an answer to its end, and returns the call's id, if the answer has one.
func readAnswer(reader *bufio.Reader, want int) (id string, err error) {
	line, err := reader.ReadString('\n')
	if err != nil {
		return "", err
	}
	wrong := !strings.HasPrefix(line, "HTTP/1.1 "+strconv.Itoa(want))
	length, chunked := int64(0), false
	for {
		field, err := reader.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		text := string(field)
		if text == "\r\n" {
			break
		}
		if value, ok := strings.CutPrefix(text, "Content-Length: "); ok {
			if length, err = strconv.ParseInt(strings.TrimSpace(value), 10, 64); err != nil {
				return "", err
			}
		}
		if value, ok := strings.CutPrefix(text, call.CallIDHeader+": "); ok {
			id = strings.TrimSpace(value)
		}
		chunked = chunked || strings.HasPrefix(text, "Transfer-Encoding: chunked")
	}
	if wrong {
		body := make([]byte, min(length, 500))
		_, _ = io.ReadFull(reader, body) // to be shown, as far as it comes
		return "", fmt.Errorf("got %s, want status %d: %s", strings.TrimSpace(line), want, body)
	}
	if !chunked {
		_, err = io.CopyN(io.Discard, reader, length)
		return id, err
	}
	if _, err := io.Copy(io.Discard, httputil.NewChunkedReader(reader)); err != nil {
		return "", err
	}
	for { // the trailer
		if field, err := reader.ReadSlice('\n'); err != nil || len(field) <= len("\r\n") {
			return id, err
		}
	}
}
