package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bursar-dev/bursar/api/issuerclient"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// The environment variables with the URL of a console, and with the credential for it.
const (
	consoleVariable = "BURSAR_CONSOLE"
	tokenVariable   = "BURSAR_TOKEN"
)

// console is a console to ask instead of the ledger, with the rights of the user's own credential.
type console struct{ url, tokenFile string }

func (c *console) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.url, "console", "", "URL of a Bursar console to ask, rather than the ledger, with your own API key or token in "+tokenVariable+" (default: "+consoleVariable+")")
	flags.StringVar(&c.tokenFile, "console-token-file", "", "file with the API key or token for the console, instead of "+tokenVariable)
}

// isNamed reports whether there is a console to ask: one that a flag names, or one that the
// environment names if no flag names a ledger. If the environment names a ledger, too, the console is
// asked only if there is a credential for it.
func (c *console) isNamed(ledger database) bool {
	if c.url != "" || ledger.url != "" || os.Getenv(consoleVariable) == "" {
		return c.url != ""
	}
	return c.tokenFile != "" || os.Getenv(tokenVariable) != "" || !ledger.isNamed()
}

// open finds out where the console is, and the credential.
func (c *console) open() (*consoleClient, error) {
	address := strings.TrimRight(cmp.Or(c.url, os.Getenv(consoleVariable)), "/")
	if address == "" {
		return nil, usageError{errors.New("no console: set --console or " + consoleVariable + ` to its URL, such as "https://bursar.example.com"`)}
	}
	if !issuerclient.MayAsk(address) {
		return nil, usageError{fmt.Errorf("the console %q must be an https URL; http is allowed only on this machine, as with kubectl port-forward, because others could read the token", address)}
	}
	token := os.Getenv(tokenVariable)
	if c.tokenFile != "" {
		read, err := os.ReadFile(c.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("--console-token-file: %w", err)
		}
		token = string(read)
	}
	if token = strings.TrimSpace(token); token == "" {
		return nil, usageError{errors.New("no credential for the console: set " + tokenVariable + " to your API key or token, or name a file with --console-token-file")}
	}
	return &consoleClient{url: address, token: token, http: &http.Client{
		Timeout:       30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token is for the console alone
	}}, nil
}

// consoleOptions are the flags of commands that only a console can answer.
type consoleOptions struct {
	whose
	console console
	format  string
}

func (o *consoleOptions) addFlags(cmd *cobra.Command, c *cluster) {
	o.whose.addFlags(cmd, c)
	o.console.addFlags(cmd)
	cmd.Flag("console").Usage = "URL of the Bursar console, which you ask with your own API key or token in " + tokenVariable + " (default: " + consoleVariable + ")"
	addOutput(cmd, &o.format, formatTable, formatJSON, formatYAML)
}

// open opens the console, and returns which tenant to ask about.
func (o *consoleOptions) open(cmd *cobra.Command, c *cluster) (*consoleClient, url.Values, error) {
	client, err := o.console.open()
	if err != nil {
		return nil, nil, err
	}
	about, err := o.about(cmd.Context(), c)
	return client, about, err
}

// consoleClient asks a console.
type consoleClient struct {
	url, token string
	http       *http.Client
}

// mostAnswered bounds an answer of a console, in bytes.
const mostAnswered = 64 << 20

// get asks a route of the API, and post changes something there. A body or an answer may be nil.
func (c *consoleClient) get(ctx context.Context, path string, query url.Values, into any) error {
	return c.ask(ctx, http.MethodGet, path, query, nil, into)
}

func (c *consoleClient) post(ctx context.Context, path string, query url.Values, body, into any) error {
	return c.ask(ctx, http.MethodPost, path, query, body, into)
}

func (c *consoleClient) ask(ctx context.Context, method, path string, query url.Values, body, into any) error {
	var encoded []byte
	if body != nil {
		var err error
		if encoded, err = json.Marshal(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+"/api/ai"+path+"?"+query.Encode(), bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("ask the console: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, mostAnswered))
	if err != nil {
		return fmt.Errorf("read the console's answer: %w", err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return problemOf(response.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("the answer of %s is not that of a Bursar console: %w", c.url, err)
	}
	return nil
}

// problemOf is the error of an answer.
func problemOf(status int, answer []byte) error {
	var problem struct {
		Code, Detail string
		Errors       []struct{ Parameter, Message string }
	}
	if err := json.Unmarshal(answer, &problem); err != nil || problem.Code == "" {
		return fmt.Errorf("the console answered %d %s: is it the URL of a Bursar console?", status, http.StatusText(status))
	}
	detail := problem.Detail
	if len(problem.Errors) > 0 {
		detail = ""
		for _, one := range problem.Errors {
			_, name, _ := strings.Cut(one.Parameter, ".")
			detail = strings.TrimPrefix(detail+"; ", "; ") + strings.TrimSpace(name+" "+one.Message)
		}
	}
	return fmt.Errorf("the console answered %s (%s)", strings.TrimSuffix(detail, "."), problem.Code)
}

// about is the parameter that tells a console the tenant: the one of the budget, which is looked up in the
// cluster, or the one that is named. Without either, the console chooses the tenant that the user belongs to.
func (w *whose) about(ctx context.Context, c *cluster) (url.Values, error) {
	if w.tenant != "" && w.budget != "" {
		return nil, usageError{errors.New("--tenant and --budget are mutually exclusive")}
	}
	tenant := w.tenant
	if w.budget != "" {
		budget, err := c.named(ctx, w.budget)
		if err != nil {
			return nil, err
		}
		tenant = budget.Spec.Tenant
	}
	if tenant == "" {
		return url.Values{}, nil
	}
	return url.Values{"tenant": {tenant}}, nil
}

// named is the TenantBudget with a name in the namespace.
func (c *cluster) named(ctx context.Context, name string) (v1alpha1.TenantBudget, error) {
	namespace, err := c.namespace()
	if err != nil {
		return v1alpha1.TenantBudget{}, err
	}
	budgets, err := c.budgets(ctx, namespace, name)
	if err != nil {
		return v1alpha1.TenantBudget{}, err
	}
	return budgets[0], nil
}
