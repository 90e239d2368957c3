package cluster_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/bursar-dev/bursar/api/money"
)

const (
	loadKey = "key-of-load"
	// callsPerSecond is the rate at which calls are made while something happens.
	callsPerSecond = 50
	penny          = `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}`
)

// load are calls that are made at an even rate through the Service of the enforcers, every
// second one on a connection of its own.
type load struct {
	url     string
	clients [2]*http.Client
	calls   sync.WaitGroup

	mu       sync.Mutex
	answered []string
	failed   []string
	slowest  time.Duration
}

// under makes calls while something is done, and a little before and after it.
func under(ctx context.Context, do func()) *load {
	GinkgoHelper()
	l := &load{url: "http://" + address(ctx, system, "bursar-enforcer") + "/v1/chat/completions"}
	for i := range l.clients {
		l.clients[i] = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: i == 0, MaxIdleConnsPerHost: callsPerSecond}}
	}
	running, stop := context.WithCancel(ctx)
	l.calls.Go(func() { l.run(running, ctx) })
	pause := func() { time.Sleep(2 * time.Second) }
	defer func() { stop(); l.calls.Wait() }()
	pause()
	do()
	pause()
	return l
}

// run makes calls until it is stopped; those that are under way go on.
func (l *load) run(running, calls context.Context) {
	tick := time.NewTicker(time.Second / callsPerSecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-running.Done():
			return
		case <-tick.C:
			l.calls.Go(func() { l.call(calls, l.clients[i%2]) })
		}
	}
}

func (l *load) call(ctx context.Context, client *http.Client) {
	begun := time.Now()
	id, err := l.ask(ctx, client)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slowest = max(l.slowest, time.Since(begun))
	if err != nil {
		l.failed = append(l.failed, begun.Format("15:04:05.000 ")+err.Error())
		return
	}
	l.answered = append(l.answered, id)
}

// ask makes a call, and returns its id.
func (l *load) ask(ctx context.Context, client *http.Client) (id string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, strings.NewReader(penny))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+loadKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", response.Status, body)
	}
	return response.Header.Get("x-bursar-call-id"), nil
}

func (l *load) String() string {
	return fmt.Sprintf("%d calls, %d failed, the slowest took %.2f s", len(l.answered)+len(l.failed), len(l.failed), l.slowest.Seconds())
}

// noneFailed expects that no call failed.
func (l *load) noneFailed() {
	GinkgoHelper()
	Expect(l.failed).To(BeEmpty(), l.String())
}

// booked expects that each call that was answered is in the ledger, that ledger and provider
// agree, and that the status of the budget has the sum of the ledger.
func (l *load) booked(ctx context.Context) {
	GinkgoHelper()
	var rows []recorded
	billed := bill(ctx, http.MethodGet).Calls
	eventually(ctx, "all calls are in the ledger", func(g Gomega) {
		var err error
		rows, err = ledger(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		settled := map[string]bool{}
		for _, row := range rows {
			settled[row.ID] = row.Outcome == "Settled"
		}
		g.Expect(slices.DeleteFunc(slices.Clone(l.answered), func(id string) bool { return settled[id] })).To(BeEmpty(), "calls that are lost")
		for _, call := range billed { // those of an enforcer that was killed are charged once it has been silent for six seconds
			g.Expect(settled).To(HaveKey(call.ID), "a call that the provider billed")
		}
	})
	spent := agrees(rows, billed, "load")
	eventually(ctx, "the status has what the ledger has", func(g Gomega) {
		status := fields(ctx, "{.status.limits[0].spent}", "-n", "load", "tenantbudget", "load")
		g.Expect(status).To(HaveLen(1))
		g.Expect(money.Parse(status[0])).To(Equal(spent))
	})
}

// loadTenant applies the tenant of the load.
func loadTenant(ctx context.Context) {
	apply(ctx, strings.ReplaceAll(read("hack/cluster/testdata/load.yaml"), "KEY", fmt.Sprintf("%x", sha256.Sum256([]byte(loadKey)))))
	programmed(ctx, "-n", "load", "tenantbudgets,apikeys")
}
