package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// callers is how many tenants make calls through the enforcers. None of them is one whose
// breaker opens.
const callers = 10

// modelName is of the model that is called, of a provider that is not measured.
const modelName = "gpt-4o-mini"

// serve has tenants call through the enforcers, by HTTP, for some time.
func (b *bench) serve(ctx context.Context) (err error) {
	if err := b.applyCallers(ctx); err != nil {
		return err
	}
	before := callers * len(b.stack.EnforcerURLs)
	if err := b.recorded(ctx, before); err != nil {
		return err
	}
	if b.size.callsFrom, err = b.used(ctx); err != nil {
		return err
	}
	if err = b.request(ctx); err != nil {
		return err
	}
	if err := b.recorded(ctx, before+b.size.calls); err != nil {
		return err
	}
	if b.size.callsTo, err = b.used(ctx); err != nil {
		return err
	}
	return b.size.print(b.budgets)
}

// caller is a tenant that makes calls.
func (b *bench) caller(i int) string { return name(i*b.budgets/callers + 2) }

// applyCallers applies a provider and the callers' keys, and makes a call of each by each
// enforcer, as soon as it can.
func (b *bench) applyCallers(ctx context.Context) error {
	err := b.api.Create(ctx, &v1alpha1.ModelProvider{
		ObjectMeta: metav1.ObjectMeta{Name: "bench"},
		Spec: v1alpha1.ModelProviderSpec{
			Protocol: "OpenAI", Endpoint: b.stack.ProviderURL + "/v1", CredentialFile: "openai",
			Models: []v1alpha1.Model{{Name: modelName, MaxOutputTokens: 1000, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "0.15", Output: "0.60"}}}},
		},
	})
	if err != nil {
		return err
	}
	for i := range callers {
		hash := sha256.Sum256([]byte(b.caller(i)))
		err := b.api.Create(ctx, &v1alpha1.APIKey{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: b.caller(i)},
			Spec:       v1alpha1.APIKeySpec{SHA256: hex.EncodeToString(hash[:]), BudgetRef: v1alpha1.BudgetRef{Name: b.caller(i)}, User: "user", Tier: "tier"},
		})
		if err != nil {
			return err
		}
	}
	return b.callersAnswered(ctx)
}

// callersAnswered makes a call of each caller by each enforcer, as soon as it is answered.
func (b *bench) callersAnswered(ctx context.Context) error {
	for i := range callers * len(b.stack.EnforcerURLs) {
		var refused error
		err := until(ctx, "a call of "+b.caller(i%callers)+" is answered", func() (bool, error) {
			refused = b.call(ctx, i/callers, i%callers)
			return refused == nil, nil
		})
		if err != nil {
			return errors.Join(err, refused)
		}
	}
	return nil
}

// request makes calls at an even rate, of one caller after the other by one enforcer after the
// other, and counts those that are answered. Few may be refused: a machine that is too busy
// to answer Redis in time has enforcers do so.
func (b *bench) request(ctx context.Context) error {
	tick := time.NewTicker(time.Second / time.Duration(b.requests))
	defer tick.Stop()
	var calling sync.WaitGroup
	var refused atomic.Int64
	wanted := b.requests * int(b.busy/time.Second)
	for i := range wanted {
		if ctx.Err() != nil {
			break
		}
		<-tick.C
		calling.Go(func() {
			if b.call(ctx, i%len(b.stack.EnforcerURLs), i%callers) != nil {
				refused.Add(1)
			}
		})
	}
	calling.Wait()
	b.size.calls = wanted - int(refused.Load())
	fmt.Printf("%d calls were answered, %d were not\n", b.size.calls, refused.Load())
	if b.size.calls*10 < wanted*9 {
		return cmp.Or(ended(ctx), errors.New("too many calls were not answered"))
	}
	return ended(ctx)
}

// call makes a call by an enforcer.
func (b *bench) call(ctx context.Context, enforcer, caller int) error {
	body := `{"model":"` + modelName + `","max_tokens":100,"messages":[{"role":"user","content":"What is the answer to the question of life?"}]}`
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.stack.EnforcerURLs[enforcer]+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+b.caller(caller))
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("a call was answered %s: %s", response.Status, answer)
	}
	return nil
}

// recorded waits until so many calls are in the ledger.
func (b *bench) recorded(ctx context.Context, calls int) error {
	connection, err := pgx.Connect(ctx, b.stack.DatabaseURL)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }() // what it has read is there
	return until(ctx, fmt.Sprintf("%d calls are in the ledger", calls), func() (bool, error) {
		var rows int
		err := connection.QueryRow(ctx, `SELECT count(*) FROM ai_usage_logs`).Scan(&rows)
		return rows == calls, err
	})
}
