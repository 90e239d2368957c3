package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/hack/parts/openid"
)

// signsIn is the user who signs in.
const signsIn = "gil"

// gerenteSignsIn signs a user in at the company's OpenID Connect server and calls with the
// token, and then does the same for a user who belongs to no tenant.
func (d *demo) gerenteSignsIn(ctx context.Context) error {
	out, err := d.stack.ApplySignIn(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("  $ kubectl apply -f signin.yaml      (hack/stack/signin.yaml, with the URLs of where people sign in)\n  %s\n\n", strings.ReplaceAll(strings.TrimSpace(out), "\n", "\n  "))
	if err := d.show(ctx, "get", "identityproviders,memberships"); err != nil {
		return err
	}
	a, err := d.callAs(ctx, signsIn)
	if err != nil {
		return err
	}
	fmt.Printf("  %s signs in at %s, and calls with the token: HTTP %s\n", signsIn, d.stack.SignIn.OpenID.URL, a.status)
	if a.code != http.StatusOK {
		return fmt.Errorf("the call of %s got %s: %s", signsIn, a.status, a.body)
	}
	stranger, err := d.callAs(ctx, "nadia")
	if err != nil {
		return err
	}
	fmt.Printf("  nadia is in no group of a Membership: HTTP %s, %s\n\n", stranger.status, stranger.errorCode())
	if stranger.errorCode() != "tenant_forbidden" {
		return fmt.Errorf("the call of nadia got %s: %s", stranger.status, stranger.body)
	}
	return d.ledgerKnowsWho(ctx, a.header.Get("X-Bursar-Call-Id"))
}

// callAs signs a user in and calls with the access token.
func (d *demo) callAs(ctx context.Context, name string) (answer, error) {
	tokens, err := openid.SignIn(ctx, d.stack.SignIn.OpenID.URL, name, openid.PasswordPrefix+name)
	if err != nil {
		return answer{}, err
	}
	return d.do(ctx, call{user: name, model: "gpt-4o-mini", output: 16, token: tokens.Access})
}

// ledgerKnowsWho prints the caller of a call, as the ledger has it.
func (d *demo) ledgerKnowsWho(ctx context.Context, id string) error {
	conn, err := pgx.Connect(ctx, d.stack.DatabaseURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var tenant, user, tier, provider, subject string
	if err := d.waitFor(ctx, ledgerTimeout, "the ledger has the call", func() (bool, error) {
		err := conn.QueryRow(ctx, `
			select tenant_id, user_id, tier, identity_provider, subject from ai_usage_logs where call_id = $1`, id).
			Scan(&tenant, &user, &tier, &provider, &subject)
		if errors.Is(err, pgx.ErrNoRows) {
			return false, nil
		}
		return err == nil, err
	}); err != nil {
		return err
	}
	fmt.Printf("  the ledger: tenant %s, user %s, tier %s, identity provider %s, subject %s\n", tenant, user, tier, provider, subject)
	if got, want := []string{tenant, user, tier, provider, subject}, []string{"acme", signsIn, "gerente", "company", signsIn}; strings.Join(got, " ") != strings.Join(want, " ") {
		return fmt.Errorf("the ledger has %q, want %q", got, want)
	}
	return nil
}
