package provider

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// checkTimeout bounds the wait for a provider's answer to a check.
const checkTimeout = 10 * time.Second

// Checker asks providers whose ModelProvider has checks, while no call asks them, for something that
// costs nothing. So a wrong key or a broken connection is reported before a caller meets it.
type Checker struct {
	client    *Client
	reports   *Reports
	protocols map[limiterv1.Protocol]protocol.Protocol

	mu sync.Mutex
	// last is when a provider was last checked, and guarded whether it refuses requests without
	// a key, once that was asked.
	last    map[target]time.Time
	guarded map[target]bool
}

// target is what is asked: with another endpoint or key, a provider is another one.
type target struct{ name, endpoint, file string }

func targetOf(p limiterv1.Provider) target { return target{p.Name, p.Endpoint, p.CredentialFile} }

// NewChecker makes a Checker that tells the reports.
func NewChecker(client *Client, reports *Reports, protocols []protocol.Protocol) *Checker {
	c := &Checker{
		client: client, reports: reports, protocols: map[limiterv1.Protocol]protocol.Protocol{},
		last: map[target]time.Time{}, guarded: map[target]bool{},
	}
	for _, p := range protocols {
		c.protocols[p.Name()] = p
	}
	return c
}

// Run checks until ctx ends. providers are those of the configuration.
func (c *Checker) Run(ctx context.Context, providers func() []limiterv1.Provider) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		c.check(ctx, providers())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// check asks those of the providers that are due, all at once, and forgets all others.
func (c *Checker) check(ctx context.Context, providers []limiterv1.Provider) {
	var asking sync.WaitGroup
	known := map[target]bool{}
	for _, p := range providers {
		known[targetOf(p)] = true
		if c.isDue(p) {
			asking.Go(func() { c.ask(ctx, p) })
		}
	}
	asking.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for t := range c.last {
		if !known[t] {
			delete(c.last, t)
			delete(c.guarded, t)
		}
	}
}

// isDue is whether a provider is to be asked now: neither a call nor a check has been answered
// within the interval.
func (c *Checker) isDue(p limiterv1.Provider) bool {
	proto := c.protocols[p.Protocol]
	if p.CheckSeconds <= 0 || proto == nil || protocol.CheckPath(proto) == "" {
		return false
	}
	now := c.reports.now()
	since := now.Add(-time.Duration(p.CheckSeconds) * time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last[targetOf(p)].After(since) || c.reports.answeredAt(p).After(since) {
		return false
	}
	c.last[targetOf(p)] = now
	return true
}

// ask asks a provider, and reports what its answer says.
func (c *Checker) ask(ctx context.Context, p limiterv1.Provider) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	key := ""
	if p.CredentialFile != "" {
		var err error
		if key, err = c.client.keys.read(p.CredentialFile); err != nil {
			c.reports.Failed(p, err)
			return
		}
	}
	answer, err := c.get(ctx, p, key)
	switch {
	case err != nil:
		c.reports.Failed(p, err)
	case answer.rejects:
		c.reports.checked(p, limiterv1.KeyRejected)
	case answer.status == http.StatusNotFound:
		// Not every provider has such a list: it says nothing of the endpoint.
	case answer.status < 300 && key != "" && c.isGuarded(ctx, p):
		c.reports.checked(p, limiterv1.NoTrouble)
	default:
		c.reports.checked(p, "")
	}
}

// isGuarded reports whether a provider refuses requests without a key. If it answers them, too, its
// answer says nothing about a key.
func (c *Checker) isGuarded(ctx context.Context, p limiterv1.Provider) bool {
	c.mu.Lock()
	guarded, known := c.guarded[targetOf(p)]
	c.mu.Unlock()
	if known {
		return guarded
	}
	answer, err := c.get(ctx, p, "")
	if err != nil || answer.status >= 500 || answer.status == http.StatusTooManyRequests {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.guarded[targetOf(p)] = answer.status >= 400
	return answer.status >= 400
}

// checkAnswer is what is looked at of an answer.
type checkAnswer struct {
	status int
	// rejects is whether it says that the key is rejected.
	rejects bool
}

// get asks a provider with a key, or without if it is empty.
func (c *Checker) get(ctx context.Context, p limiterv1.Provider, key string) (checkAnswer, error) {
	proto := c.protocols[p.Protocol]
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(p.Endpoint, "/")+protocol.CheckPath(proto), http.NoBody)
	if err != nil {
		return checkAnswer{}, err
	}
	request.Header = http.Header{"User-Agent": nil, "Accept": {"application/json"}}
	proto.Authorize(protocol.Header(request.Header), key)
	response, err := c.client.fresh.RoundTrip(request)
	if err != nil {
		return checkAnswer{}, failureOf(err)
	}
	defer func() { _ = response.Body.Close() }() // what matters was read
	answer := checkAnswer{status: response.StatusCode, rejects: response.StatusCode == http.StatusUnauthorized}
	if rejection := protocol.KeyRejection(proto, response.StatusCode); rejection != nil {
		body, err := io.ReadAll(io.LimitReader(response.Body, protocol.MaxRejection))
		answer.rejects = err == nil && rejection(body)
	}
	return answer, nil
}
