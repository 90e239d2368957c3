package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/console/requests"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/history"
)

// ask asks for more in the name of a credential.
func ask(t *testing.T, credential, limit, reason string) answer {
	t.Helper()
	return doWith(t, http.MethodPost, "/api/ai/requests", credential, nil,
		`{"limit":"`+limit+`","amount":"3.00","reason":"`+reason+`","expiresAt":"2027-01-01T00:00:00Z"}`)
}

// TestRequests: a user asks for more, an admin who may grant it approves or declines it, once; the
// grant is the user's, and everybody sees what is theirs to see.
func TestRequests(t *testing.T) {
	member, admin, platform := token("hana.hooli"), token("hugo.hooli"), token("pat", "platform")
	var asked, decided api.Request
	got := ask(t, member, "each-user", "the launch")
	got.read(t, &asked)
	if got.status != http.StatusCreated || asked.User != "hana.hooli" || asked.State != "Open" || asked.RequestedBy != "" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	decide := func(credential, id, what string) answer {
		return doWith(t, http.MethodPost, "/api/ai/requests/"+id+"/"+what+"?tenant=hooli", credential, nil, `{"reason":"good luck"}`)
	}
	if got := decide(member, asked.ID, "approve"); got.status != http.StatusForbidden {
		t.Errorf("a member approves their own: %d %s", got.status, got.body)
	}
	got = decide(admin, asked.ID, "approve")
	got.read(t, &decided)
	if got.status != http.StatusOK || decided.State != "Approved" || decided.Decision.Grant != "request-"+asked.ID || decided.Decision.By != "company/hugo.hooli" || decided.Decision.Amount != "3.00" || !decided.Decision.ExpiresAt.Equal(decided.ExpiresAt) {
		t.Fatalf("%d %s", got.status, got.body)
	}
	grant := &v1alpha1.BudgetGrant{ObjectMeta: metav1.ObjectMeta{Namespace: "hooli", Name: decided.Decision.Grant}}
	testkit.Must(t, shared.admin.Get(t.Context(), client.ObjectKeyFromObject(grant), grant))
	if s := grant.Spec; s.User != "hana.hooli" || s.Limit != "each-user" || s.Amount != "3.00" || s.Reason != "the launch" {
		t.Errorf("%+v", s)
	}
	for _, what := range []string{"approve", "decline"} {
		if code, _ := decide(admin, asked.ID, what).problem(t); code != "already_decided" {
			t.Errorf("%s again: %s", what, code)
		}
	}
	seen := do(t, http.MethodGet, "/api/ai/requests", member, nil)
	if !strings.Contains(seen.body, `"reason":"good luck"`) || strings.Contains(seen.body, "hugo") {
		t.Errorf("who asked sees %s", seen.body)
	}

	// What the whole tenant would have more is the platform's to give.
	ask(t, member, "daily", "for all of us").read(t, &asked)
	if code, _ := decide(admin, asked.ID, "approve").problem(t); code != "beyond_tenant" {
		t.Errorf("the tenant's admin gives the tenant more: %s", code)
	}
	decided = api.Request{}
	decide(platform, asked.ID, "decline").read(t, &decided)
	if decided.State != "Declined" || decided.Decision.Grant != "" || decided.Decision.Amount != "" || decided.Decision.ExpiresAt != nil {
		t.Errorf("%+v", decided)
	}
	checkAsking(t, member)
}

// TestAnotherAmountIsGranted: an admin grants another amount than was asked for, and until another
// time, which is held to what a grant is; what was asked for and what was granted are both on record,
// and who asked is told.
func TestAnotherAmountIsGranted(t *testing.T) {
	admin, id := token("hugo.hooli"), openRequest(t, "hana.hooli")
	approve := func(body string) answer {
		return doWith(t, http.MethodPost, "/api/ai/requests/"+id+"/approve?tenant=hooli", admin, nil, body)
	}
	for _, tc := range []struct{ body, want string }{
		{`{"amount":""}`, "invalid_parameter body.amount"},
		{`{"amount":"0"}`, "invalid_parameter body.amount"},
		{`{"amount":"-1"}`, "invalid_parameter body.amount"},
		{`{"amount":"1e3"}`, "invalid_parameter body.amount"},
		{`{"amount":"9000000.01"}`, "invalid_parameter body.amount"},
		{`{"expiresAt":"` + now.Format(time.RFC3339) + `"}`, "invalid_parameter body.expiresAt"},
		{`{"expiresAt":"tomorrow"}`, "invalid_parameter body.expiresAt"},
		{`{"limit":"daily"}`, "invalid_parameter body.limit"},
		{`{"reason":"a\nb"}`, "invalid_parameter body.reason"},
	} {
		if code, parameter := approve(tc.body).problem(t); code+" "+parameter != tc.want || grantOf(t, id) {
			t.Errorf("%s: %s %s, want %s; there is a grant: %t", tc.body, code, parameter, tc.want, grantOf(t, id))
		}
	}
	var decided api.ApprovedRequest
	got := approve(`{"amount":"1.25","expiresAt":"2026-12-24T00:00:00.75Z","reason":"a part of it"}`)
	got.read(t, &decided)
	until := time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)
	if got.status != http.StatusOK || decided.Amount != "3.00" || decided.Decision.Amount != "1.25" || !decided.Decision.ExpiresAt.Equal(until) || decided.ExpiresAt.Equal(until) {
		t.Fatalf("%d %s", got.status, got.body)
	}
	var grant v1alpha1.BudgetGrant
	testkit.Must(t, shared.admin.Get(t.Context(), types.NamespacedName{Namespace: "hooli", Name: decided.Decision.Grant}, &grant))
	if s := grant.Spec; s.Amount != "1.25" || !s.ExpiresAt.Time.Equal(until) || s.User != "hana.hooli" {
		t.Errorf("the grant is %+v", s)
	}
	var requested api.Requests
	do(t, http.MethodGet, "/api/ai/requests", token("hana.hooli"), nil).read(t, &requested)
	told := slices.IndexFunc(requested.Requests, func(r api.Request) bool { return r.ID == id })
	if told < 0 || requested.Requests[told].Amount != "3.00" || requested.Requests[told].Decision.Amount != "1.25" || !requested.Requests[told].Decision.ExpiresAt.Equal(until) {
		t.Errorf("who asked is told %+v", requested.Requests)
	}
}

// checkAsking asks for what nobody may ask for, and too often.
func checkAsking(t *testing.T, member string) {
	t.Helper()
	for _, tc := range []struct{ limit, reason, want string }{
		{"each-user", `a\nb`, "invalid_parameter body.reason"},
		{"each-user", `a\u0000b`, "invalid_parameter body.reason"},
		{"each-user", `a\u202eb`, "invalid_parameter body.reason"},
		{"each-user", " ", "invalid_parameter body.reason"},
		{"each-user", strings.Repeat("a", 513), "invalid_parameter body.reason"},
		{"none", "why", "invalid_parameter body.limit"},
	} {
		if code, parameter := ask(t, member, tc.limit, tc.reason).problem(t); code+" "+parameter != tc.want {
			t.Errorf("%q: %s %s, want %s", tc.reason, code, parameter, tc.want)
		}
	}
	if got := ask(t, token("pat", "platform"), "each-user", "why"); got.status < 400 {
		t.Errorf("who belongs to no tenant asks: %d", got.status)
	}
	var statuses []int
	for range 6 {
		statuses = append(statuses, ask(t, member, "each-user", "again").status)
	}
	if statuses[5] != http.StatusTooManyRequests || !slices.Contains(statuses, http.StatusCreated) {
		t.Errorf("asking again and again: %v", statuses)
	}
}

// TestRequestsThatExpireAtOnce: nobody fills the list with requests that expire as soon as they are
// made.
func TestRequestsThatExpireAtOnce(t *testing.T) {
	var last answer
	for range 6 {
		last = doWith(t, http.MethodPost, "/api/ai/requests", token("hugo.hooli"), nil,
			`{"limit":"each-user","amount":"3.00","reason":"soon over","expiresAt":"`+now.Add(time.Second).Format(time.RFC3339)+`"}`)
	}
	if last.status != http.StatusTooManyRequests {
		t.Errorf("the sixth: %d %s", last.status, last.body)
	}
}

// uncommitted is a database whose transactions that write cannot be committed while it is broken.
type uncommitted struct {
	history.Database
	broken bool
}

func (d *uncommitted) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	tx, err := d.Database.BeginTx(ctx, options)
	if err == nil && d.broken && options.AccessMode != pgx.ReadOnly {
		return neverCommitted{tx}, nil
	}
	return tx, err
}

type neverCommitted struct{ pgx.Tx }

func (tx neverCommitted) Commit(ctx context.Context) error {
	return errors.Join(errors.New("the connection was lost"), tx.Rollback(ctx))
}

// grantOf is the BudgetGrant of a request in hooli, if there is one.
func grantOf(t *testing.T, id string) (there bool) {
	t.Helper()
	err := shared.admin.Get(t.Context(), types.NamespacedName{Namespace: "hooli", Name: "request-" + id}, &v1alpha1.BudgetGrant{})
	testkit.Must(t, client.IgnoreNotFound(err))
	return err == nil
}

// openRequest is a request of a user of hooli that nobody has decided.
func openRequest(t *testing.T, user string) (id string) {
	t.Helper()
	testkit.Must(t, shared.ledger.QueryRow(t.Context(), `
INSERT INTO budget_requests (tenant_id, user_id, requested_by, limit_name, amount, expires_at, reason)
VALUES ('hooli', $1, 'company/' || $1, 'each-user', '3.00', '2027-01-01Z', 'test') RETURNING request_id::text`, user).Scan(&id))
	return id
}

// decideAt has hugo, who administers hooli, decide a request at a console.
func decideAt(t *testing.T, url, id, what string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/ai/requests/"+id+"/"+what+"?tenant=hooli", strings.NewReader("{}"))
	testkit.Must(t, err)
	request.Header.Set("Authorization", "Bearer "+token("hugo.hooli"))
	request.Header.Set("Content-Type", "application/json")
	return send(t, request)
}

// TestDecisionsThatAreLost: an approval that cannot be kept leaves no grant behind, which a request
// that is then declined would have; and one that is kept without its grant is made whole by
// approving it again, until it has had one.
func TestDecisionsThatAreLost(t *testing.T) {
	database := &uncommitted{Database: shared.reader, broken: true}
	options := shared.options
	options.Requests = requests.New(database)
	routes, err := api.New(options)
	testkit.Must(t, err)
	server := httptest.NewServer(routes)
	defer server.Close()
	id := openRequest(t, "ned.hooli")
	if got := decideAt(t, server.URL, id, "approve"); got.status != http.StatusServiceUnavailable {
		t.Errorf("approve without a database: %d %s", got.status, got.body)
	}
	database.broken = false
	if got := decideAt(t, server.URL, id, "decline"); got.status != http.StatusOK || grantOf(t, id) {
		t.Errorf("declined: %d, and there is a grant: %t", got.status, grantOf(t, id))
	}

	id = openRequest(t, "ned.hooli")
	_, err = shared.ledger.Exec(t.Context(), `
INSERT INTO budget_decisions (request_id, tenant_id, approved, decided_by, namespace, grant_name, granted_amount)
VALUES ($1::uuid, 'hooli', true, 'somebody', 'hooli', 'request-' || $1, '2.50')`, id)
	testkit.Must(t, err)
	if code, _ := decideAt(t, server.URL, id, "decline").problem(t); code != "already_decided" {
		t.Errorf("declined after it was approved: %s", code)
	}
	if code, _ := doWith(t, http.MethodPost, "/api/ai/requests/"+id+"/approve?tenant=hooli", token("hugo.hooli"), nil, `{"amount":"2.00"}`).problem(t); code != "already_decided" || grantOf(t, id) {
		t.Errorf("approved again with another amount: %s", code)
	}
	if got := decideAt(t, server.URL, id, "approve"); got.status != http.StatusOK || !strings.Contains(got.body, `"granted":false`) || !grantOf(t, id) {
		t.Errorf("approved again: %d %s", got.status, got.body)
	}
	var grant v1alpha1.BudgetGrant
	testkit.Must(t, shared.admin.Get(t.Context(), types.NamespacedName{Namespace: "hooli", Name: "request-" + id}, &grant))
	if grant.Spec.Amount != "2.50" {
		t.Errorf("granted are %s, and not what was decided", grant.Spec.Amount)
	}
	if code, _ := decideAt(t, server.URL, id, "approve").problem(t); code != "already_decided" {
		t.Errorf("approved with its grant: %s", code)
	}
	_, err = shared.ledger.Exec(t.Context(), `
INSERT INTO budget_grants (grant_uid, tenant_id, namespace, grant_name, limit_name, amount_nanos, reason, expires_at, created_at)
VALUES ('u-' || $1, 'hooli', 'hooli', 'request-' || $1, 'each-user', 1, 'test', '2027-01-01Z', now())`, id)
	testkit.Must(t, err)
	testkit.Must(t, shared.admin.Delete(t.Context(), &v1alpha1.BudgetGrant{ObjectMeta: metav1.ObjectMeta{Namespace: "hooli", Name: "request-" + id}}))
	if code, _ := decideAt(t, server.URL, id, "approve").problem(t); code != "already_decided" || grantOf(t, id) {
		t.Errorf("approved after its grant was taken back: %s", code)
	}
}

// TestDecidedAtOnce: of those who approve and decline a request at the same moment one decides, and
// there is a grant exactly where it was approved.
func TestDecidedAtOnce(t *testing.T) {
	for range 8 {
		id := openRequest(t, "nell.hooli")
		var deciding sync.WaitGroup
		var decided atomic.Int32
		for _, what := range []string{"approve", "decline", "approve", "decline"} {
			deciding.Go(func() {
				if got := doWith(t, http.MethodPost, "/api/ai/requests/"+id+"/"+what+"?tenant=hooli", token("hugo.hooli"), nil, "{}"); got.status == http.StatusOK {
					decided.Add(1)
				}
			})
		}
		deciding.Wait()
		var approved bool
		testkit.Must(t, shared.ledger.QueryRow(t.Context(), "SELECT approved FROM budget_decisions WHERE request_id = $1::uuid", id).Scan(&approved))
		if grantOf(t, id) != approved || decided.Load() < 1 {
			t.Errorf("approved: %t, and there is a grant: %t; %d have decided", approved, grantOf(t, id), decided.Load())
		}
	}
}
