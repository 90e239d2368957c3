package api_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/hack/parts/issuer"
)

// asker is somebody who asks about the tenant acme.
type asker struct {
	name string
	// credential is what they ask with.
	credential string
	// role is the column of the table.
	role role
	// may are the marks that an answer may have: of which users, whatever is about whom has the
	// name of.
	may []string
}

type role int

const (
	unknown role = iota
	stranger
	above
	memberOf
	admin
)

// users are all there are, each with the tenant in the name.
var users = []string{"ana.acme", "zoe.acme", "adam.acme", "cora.acme", "carla.company", "gus.globex", "gina.globex", "ivan.impostor", "hana.hooli", "hugo.hooli"}

func askers() []asker {
	expired := claims("adam.acme")
	expired["exp"] = now.Add(-time.Hour).Unix()
	foreign, err := issuer.NewKey("k1", shared.key.Algorithm)
	if err != nil {
		panic(err)
	}
	ofAcme := users[:4]
	return []asker{
		{"nobody", "", unknown, nil},
		{"wrong token", foreign.Sign(claims("adam.acme")), unknown, nil},
		{"no token", "eyJ.a.b", unknown, nil},
		{"expired token", shared.key.Sign(expired), unknown, nil},
		{"unknown key", "bursar_acme_" + strings.Repeat("0", 64), unknown, nil},
		{"member of no tenant", token("nobody.anywhere"), stranger, nil},
		{"member of another tenant", token("gus.globex"), stranger, []string{"gus.globex"}},
		{"key of another tenant", "key-of-gus.globex", stranger, []string{"gus.globex"}},
		{"admin of another tenant", token("gina.globex"), stranger, []string{"gina.globex"}},
		{"admin of a refused budget of the tenant", token("ivan.impostor"), stranger, []string{"ivan.impostor"}},
		{"admin of the tenant above", token("carla.company"), above, []string{"carla.company"}},
		{"member", token("ana.acme"), memberOf, []string{"ana.acme"}},
		{"key of a member", "key-of-ana.acme", memberOf, []string{"ana.acme"}},
		{"admin", token("adam.acme"), admin, ofAcme},
		{"key of an admin's tier", "key-of-cora.acme", admin, ofAcme},
		{"platform admin", token("pat", "platform"), admin, ofAcme},
	}
}

// statuses are what each role gets, from unknown to admin.
type statuses [5]int

var (
	anybody  = statuses{401, 200, 200, 200, 200}
	sums     = statuses{401, 403, 200, 200, 200}
	rows     = statuses{401, 403, 403, 200, 200}
	onlySums = statuses{401, 403, 200, 403, 200}
	people   = statuses{401, 403, 422, 200, 200}
	admins   = statuses{401, 403, 403, 403, 200}
)

// accesses are, for each route, requests about the tenant acme and who gets what. After a path may
// stand a body.
var accesses = map[string]map[string]statuses{
	"GET /api/ai/me": {"/api/ai/me": anybody},
	"GET /api/ai/usage": {
		"/api/ai/usage?tenant=acme":                                                sums,
		"/api/ai/usage?tenant=acme&by=day,model":                                   sums,
		"/api/ai/usage?tenant=acme&by=user":                                        people,
		"/api/ai/usage?tenant=acme&by=day,user&format=csv":                         people,
		"/api/ai/usage?tenant=acme&by=credential":                                  people,
		"/api/ai/usage?tenant=acme&by=user&user=zoe.acme":                          {401, 403, 422, 403, 200},
		"/api/ai/usage?tenant=acme&user=ana.acme":                                  people,
		"/api/ai/usage?tenant=acme&below=true&by=tenant":                           onlySums,
		"/api/ai/usage?tenant=acme&from=2026-11-01&to=2026-11-30&by=model,outcome": sums,
	},
	"GET /api/ai/usage/calls": {
		"/api/ai/usage/calls?tenant=acme":               rows,
		"/api/ai/usage/calls?tenant=acme&format=csv":    rows,
		"/api/ai/usage/calls?tenant=acme&user=zoe.acme": admins,
	},
	"GET /api/ai/usage/calls/{id}": {
		"/api/ai/usage/calls/call-0-of-ana.acme?tenant=acme":   rows,
		"/api/ai/usage/calls/call-0-of-zoe.acme?tenant=acme":   {401, 403, 403, 404, 200},
		"/api/ai/usage/calls/refused-of-zoe.acme?tenant=acme":  {401, 403, 403, 404, 200},
		"/api/ai/usage/calls/call-0-of-gus.globex?tenant=acme": {401, 403, 403, 404, 404},
	},
	"GET /api/ai/refusals": {
		"/api/ai/refusals?tenant=acme":               rows,
		"/api/ai/refusals?tenant=acme&user=zoe.acme": admins,
	},
	"GET /api/ai/limits": {
		"/api/ai/limits?tenant=acme":               rows,
		"/api/ai/limits?tenant=acme&user=zoe.acme": admins,
	},
	"GET /api/ai/health":                   {"/api/ai/health": {401, 403, 403, 403, 403}},
	"GET /api/ai/budgets":                  {"/api/ai/budgets": anybody, "/api/ai/budgets?tenant=acme": onlySums},
	"GET /api/ai/budgets/{tenant}":         {"/api/ai/budgets/acme": onlySums},
	"GET /api/ai/budgets/{tenant}/changes": {"/api/ai/budgets/acme/changes?since=2026-01-01": admins},
	"PATCH /api/ai/budgets/{tenant}": {
		`/api/ai/budgets/acme {}`: admins,
		`/api/ai/budgets/acme {"ladder":[{"atPercent":90,"action":"Trip"}]}`: admins,
	},
	"POST /api/ai/budgets/{tenant}/preview": {
		`/api/ai/budgets/acme/preview?days=30 {"limits":[{"name":"daily","per":"Tenant","period":"Day","amount":"0.01"}]}`: admins,
	},
	"PATCH /api/ai/budgets/{tenant}/rates/{policy}": {
		`/api/ai/budgets/acme/rates/speed {"limits":[{"name":"each","per":"User","requests":5,"window":"1m"},{"name":"all","per":"Tenant","requests":100,"window":"1m"}]}`: admins,
		`/api/ai/budgets/acme/rates/none {"limits":[{"name":"each","per":"User","requests":5,"window":"1m"},{"name":"all","per":"Tenant","requests":100,"window":"1m"}]}`:  {401, 403, 403, 403, 404},
	},
	"POST /api/ai/budgets/{tenant}/rates/{policy}/preview": {
		`/api/ai/budgets/acme/rates/speed/preview {"limits":[{"name":"each","per":"User","requests":1,"window":"1m"},{"name":"all","per":"Tenant","requests":100,"window":"1m"}]}`: admins,
	},
	"GET /api/ai/alerts": {
		"/api/ai/alerts?tenant=acme":            rows,
		"/api/ai/alerts?tenant=acme&format=csv": rows,
	},
	"GET /api/ai/alerts/{id}": {
		"/api/ai/alerts/" + alertOf("ana.acme") + "?tenant=acme":   rows,
		"/api/ai/alerts/" + alertOf("zoe.acme") + "?tenant=acme":   {401, 403, 403, 404, 200},
		"/api/ai/alerts/" + alertOf("acme") + "?tenant=acme":       {401, 403, 403, 404, 200},
		"/api/ai/alerts/" + alertOf("gus.globex") + "?tenant=acme": {401, 403, 403, 404, 404},
	},
	"GET /api/ai/alerts/settings": {"/api/ai/alerts/settings?tenant=acme": admins},
	"POST /api/ai/alerts/{id}/acknowledge": {
		"/api/ai/alerts/" + alertOf("ana.acme") + "/acknowledge?tenant=acme":   admins,
		"/api/ai/alerts/" + alertOf("gus.globex") + "/acknowledge?tenant=acme": {401, 403, 403, 403, 404},
	},
	"POST /api/ai/alerts/{id}/mute": {
		"/api/ai/alerts/" + alertOf("ana.acme") + "/mute?tenant=acme":   admins,
		"/api/ai/alerts/" + alertOf("gus.globex") + "/mute?tenant=acme": {401, 403, 403, 403, 404},
	},
	"POST /api/ai/alerts/{id}/unmute": {"/api/ai/alerts/" + alertOf("ana.acme") + "/unmute?tenant=acme": admins},
	"POST /api/ai/alerts/test":        {"/api/ai/alerts/test?tenant=acme": admins},
	"GET /api/ai/grants":              {"/api/ai/grants?tenant=acme&all=true": rows},
	"POST /api/ai/grants": {
		`/api/ai/grants?tenant=acme {"limit":"each-user","user":"ana","amount":"1.00","reason":"launch","expiresAt":"2099-01-01T00:00:00Z"}`: {401, 403, 403, 403, 201},
	},
	"GET /api/ai/requests": {"/api/ai/requests?tenant=acme": rows},
	"POST /api/ai/requests": {
		`/api/ai/requests?tenant=acme {"limit":"none","amount":"1.00","reason":"launch","expiresAt":"2027-01-01T00:00:00Z"}`: {401, 403, 403, 422, 422},
	},
	"POST /api/ai/requests/{id}/approve": {
		"/api/ai/requests/" + requestBy("gus.globex") + "/approve?tenant=acme {}": {401, 403, 403, 403, 404},
	},
	"POST /api/ai/requests/{id}/decline": {
		"/api/ai/requests/" + requestBy("gus.globex") + "/decline?tenant=acme {}": {401, 403, 403, 403, 404},
	},
	"DELETE /api/ai/grants/{name}":    {"/api/ai/grants/none?tenant=acme": {401, 403, 403, 403, 404}},
	"GET /api/ai/keys":                {"/api/ai/keys?tenant=acme": rows},
	"POST /api/ai/keys":               {"/api/ai/keys?tenant=acme": {401, 403, 403, 403, 201}},
	"POST /api/ai/keys/{name}/rotate": {"/api/ai/keys/nothing/rotate?tenant=acme": {401, 403, 403, 403, 404}},
	"DELETE /api/ai/keys/{name}":      {"/api/ai/keys/nothing?tenant=acme": {401, 403, 403, 403, 404}},
}

// bodies are those of the requests of routes that need one.
var bodies = map[string]string{
	"POST /api/ai/keys":               `{"user": "zoe.acme", "tier": "empleado"}`,
	"POST /api/ai/keys/{name}/rotate": `{}`,
	"POST /api/ai/alerts/{id}/mute":   `{"until": "2026-11-20T00:00:00Z"}`,
}

// TestAccess asks every route as every kind of caller, and checks who gets an answer, and that it
// has nothing about people whom the caller may not see.
func TestAccess(t *testing.T) {
	asked, leaks := 0, 0
	for _, route := range routes(shared.api.OpenAPI) {
		requests, ok := accesses[route]
		if !ok {
			t.Errorf("%s is in no table of who may ask it", route)
		}
		method, _, _ := strings.Cut(route, " ")
		for _, path := range slices.Sorted(maps.Keys(requests)) {
			for _, who := range askers() {
				target, body, found := strings.Cut(path, " ")
				if !found {
					body = bodies[route]
				}
				got := doWith(t, method, target, who.credential, anyVersion, body)
				asked++
				want := requests[path][who.role]
				if route == "GET /api/ai/health" && who.name == "platform admin" {
					want = 200 // theirs alone
				}
				if got.status != want {
					t.Errorf("%s as %s: %d %.300s, want %d", path, who.name, got.status, got.body, want)
				}
				for _, user := range users {
					if strings.Contains(got.body, user) && !slices.Contains(who.may, user) && !strings.Contains(path, user) {
						leaks++
						t.Errorf("%s as %s tells of %s: %.500s", path, who.name, user, got.body)
					}
				}
				if got.status == http.StatusUnauthorized && got.header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s as %s: 401 without a challenge", path, who.name)
				}
			}
		}
	}
	t.Logf("%d requests of %d routes, %d leaks", asked, len(accesses), leaks)
}

// TestNoTenantNamed: callers who name no tenant are answered about their own.
func TestNoTenantNamed(t *testing.T) {
	for path := range map[string]bool{"/api/ai/usage?by=user": true, "/api/ai/usage/calls": true, "/api/ai/refusals": true, "/api/ai/alerts": true, "/api/ai/grants": true, "/api/ai/keys": true} {
		for user, tenant := range map[string]string{"ana.acme": "acme", "gus.globex": "globex", "gina.globex": "globex"} {
			got := do(t, http.MethodGet, path, token(user), nil)
			if got.status != 200 || !strings.Contains(got.body, `"tenant":"`+tenant+`"`) {
				t.Errorf("%s as %s: %d %.200s", path, user, got.status, got.body)
			}
		}
		if code, parameter := do(t, http.MethodGet, path, token("pat", "platform"), nil).problem(t); code != "invalid_parameter" || parameter != "query.tenant" {
			t.Errorf("%s as a platform admin: %s, %s", path, code, parameter)
		}
	}
}

// TestWhatIsSeen: callers see what they may see, because no test of leaks must pass on empty
// answers.
func TestWhatIsSeen(t *testing.T) {
	for _, tc := range []struct {
		path, credential string
		want             []string
	}{
		{"/api/ai/usage?by=user", token("ana.acme"), []string{`"ana.acme"`, `"calls":2`}},
		{"/api/ai/usage?by=user", token("adam.acme"), []string{`"ana.acme"`, `"zoe.acme"`, `"adam.acme"`, `"calls":6`, `"refused":3`, `"usd":"0.006000006"`}},
		{"/api/ai/usage/calls", token("ana.acme"), []string{"call-0-of-ana.acme", "call-1-of-ana.acme"}},
		{"/api/ai/usage/calls/call-0-of-ana.acme", token("ana.acme"), []string{`"usd":"0.001000001"`, `"nanos":1000001`}},
		{"/api/ai/usage/calls/refused-of-ana.acme", token("ana.acme"), []string{`"reason":"BudgetExhausted"`}},
		{"/api/ai/refusals", token("ana.acme"), []string{"refused-of-ana.acme"}},
		{"/api/ai/alerts", token("ana.acme"), []string{"alert of ana.acme"}},
		{"/api/ai/alerts", token("adam.acme"), []string{"alert of ana.acme", "alert of zoe.acme", "alert of acme"}},
		{"/api/ai/alerts", token("adam.acme"), []string{`"limit":"each-group","group":"research"`, `"limit":"each-key","apiKey":"acme/ci"`}},
		{"/api/ai/grants", token("ana.acme"), []string{"grant-of-ana.acme"}},
		{"/api/ai/grants", token("adam.acme"), []string{`"limit":"each-group","group":"research"`, `"limit":"each-key","apiKey":"acme/ci"`}},
		{"/api/ai/keys", token("ana.acme"), []string{`"acme/ana.acme"`}},
		{"/api/ai/keys", token("ana.acme"), []string{`"mayChange":false`}},
		{"/api/ai/keys", token("adam.acme"), []string{`"acme/ana.acme"`, `"acme/zoe.acme"`, `"making":{"forOthers":true}`, `"mayChange":true`}},
		{"/api/ai/limits", token("ana.acme"), []string{`"name":"each-user"`, `"spent":{"usd":"0.001000001"`, `"amount":{"usd":"1.50"`, `"percent":20`}},
		{"/api/ai/limits", token("ana.acme"), []string{`"name":"of-platform"`, `"name":"each-of-platform"`, `"groups":["platform"]`}},
		{"/api/ai/limits?user=ana.acme", token("adam.acme"), []string{`"name":"of-research"`, `"name":"each-of-research"`}},
		{"/api/ai/limits", token("adam.acme"), []string{`"left":{"usd":"3.75"`}},
		{"/api/ai/budgets", token("carla.company"), []string{`"tenant":"acme"`, `"tenant":"company"`, `"parent":"company"`}},
		{"/api/ai/budgets/acme", token("pat", "platform"), []string{`"tenant":"acme"`}},
		{"/api/ai/usage?tenant=acme&by=model", token("pat", "platform"), []string{`"calls":6`}},
		{"/api/ai/usage?tenant=acme&by=model", token("carla.company"), []string{`"tenant":"acme"`, `"calls":6`}},
		{"/api/ai/usage?below=true&by=tenant", token("carla.company"), []string{`{"tenant":"acme"}`, `{"tenant":"company"}`, `"calls":8`}},
		{"/api/ai/me", token("ana.acme"), []string{`"user":"ana.acme"`, `"admin":false`, `"platformAdmin":false`}},
		{"/api/ai/me", "key-of-cora.acme", []string{`"apiKey":"acme/cora.acme"`, `"admin":true`}},
		{"/api/ai/me", token("pat", "platform"), []string{`"platformAdmin":true`}},
	} {
		got := do(t, http.MethodGet, tc.path, tc.credential, nil)
		for _, want := range tc.want {
			if !strings.Contains(got.body, want) {
				t.Errorf("%s: %d, %q is not in it: %.1500s", tc.path, got.status, want, got.body)
			}
		}
	}
	if got := do(t, http.MethodGet, "/api/ai/budgets", token("gina.globex"), nil); strings.Contains(got.body, "acme") {
		t.Errorf("budgets of another tenant: %s", got.body)
	}
	for _, path := range []string{"/api/ai/alerts", "/api/ai/grants", "/api/ai/limits"} {
		if got := do(t, http.MethodGet, path, token("ana.acme"), nil); strings.Contains(got.body, "research") || strings.Contains(got.body, "acme/ci") {
			t.Errorf("a member is told of a group or another's key: %s", got.body)
		}
	}
	if got := do(t, http.MethodGet, "/api/ai/limits", token("ana.acme"), nil); strings.Contains(got.body, `"usd":"5.00"`) {
		t.Errorf("a member is told the tenant's amount: %s", got.body)
	}
}

// routes are all that the OpenAPI document has.
func routes(document *huma.OpenAPI) (all []string) {
	for path, item := range document.Paths {
		for method, operation := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPatch: item.Patch, http.MethodPut: item.Put, http.MethodDelete: item.Delete,
		} {
			if operation != nil {
				all = append(all, method+" "+path)
			}
		}
	}
	slices.Sort(all)
	return all
}

// TestDocument: the document is there for everybody, and is the one that is described.
func TestDocument(t *testing.T) {
	var document struct {
		OpenAPI string         `json:"openapi"`
		Paths   map[string]any `json:"paths"`
	}
	got := do(t, http.MethodGet, api.Document, "", nil)
	got.read(t, &document)
	if got.status != 200 || document.OpenAPI[:3] != "3.1" || len(document.Paths) != len(shared.api.OpenAPI.Paths) {
		t.Errorf("%d, version %s, %d paths", got.status, document.OpenAPI, len(document.Paths))
	}
}
