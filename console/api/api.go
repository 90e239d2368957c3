package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
	"github.com/bursar-dev/bursar/console/health"
	"github.com/bursar-dev/bursar/console/marks"
	"github.com/bursar-dev/bursar/console/requests"
	"github.com/bursar-dev/bursar/console/said"
	"github.com/bursar-dev/bursar/history"
)

// Root is the path that all routes begin with, and Document that of the OpenAPI document.
const (
	Root     = "/api/ai"
	Document = Root + "/openapi.json"
)

// Options are what the API is made with.
type Options struct {
	Auth    *auth.Auth
	Cluster *cluster.Cluster
	Ledger  *history.Reader
	Marks   *marks.Marks
	// Requests are what people ask for beyond their limits.
	Requests *requests.Requests
	// Locks serialise requests that must not be answered at the same time.
	Locks *said.Locks
	// Health is what Postgres knows of Bursar's own health.
	Health *health.Health
	Log    *slog.Logger
	// Now is the clock; nil is that of this machine.
	Now func() time.Time
	// Version is that of the program.
	Version string
	// Timeout bounds an answer; 0 is 20 seconds.
	Timeout time.Duration
}

type api struct {
	Options
	// turns limits how many requests of a caller are answered at the same time.
	turns   *turns
	made    newKeys
	replays replays
	// questions are the routes as functions, by operation id.
	questions map[string]any
}

// API serves the routes.
type API struct {
	http.Handler
	// OpenAPI describes them.
	OpenAPI *huma.OpenAPI

	answers *api
}

func init() { huma.NewError = fromHuma } // its errors are the same for every API

// New makes the API.
func New(options Options) (*API, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Timeout == 0 {
		options.Timeout = 20 * time.Second
	}
	a := &api{Options: options, questions: map[string]any{}, turns: newTurns(atOnce), replays: newReplays()}
	mux := http.NewServeMux()
	routes := humago.New(mux, config(options.Version))
	routes.UseMiddleware(a.identified, unambiguous)
	a.register(routes)
	document, err := json.MarshalIndent(routes.OpenAPI(), "", "  ")
	if err != nil {
		return nil, err
	}
	mux.HandleFunc("GET "+Document, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(document) // the client may have gone
	})
	mux.HandleFunc(Root+"/", func(w http.ResponseWriter, _ *http.Request) {
		write(w, notFound("there is no such route: "+Document+" has them all"))
	})
	return &API{Handler: tagged(asCSV(methods(mux))), OpenAPI: routes.OpenAPI(), answers: a}, nil
}

func config(version string) huma.Config {
	c := huma.DefaultConfig("Bursar", version)
	c.Info.Description = "What was spent on models, what is left, and why a call was refused. All figures are those of the ledger, which is what providers bill."
	c.OpenAPIPath, c.DocsPath, c.SchemasPath, c.CreateHooks = "", "", "", nil
	c.RejectUnknownQueryParameters = true
	c.Formats = map[string]huma.Format{mediaJSON: huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat, mediaCSV: csvFormat}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "An API key, or a token of an IdentityProvider, as for calls of models."},
	}
	c.Security = []map[string][]string{{"bearer": {}}}
	return c
}

// register registers every route.
func (a *api) register(routes huma.API) {
	a.registerMe(routes)
	a.registerUsage(routes)
	a.registerCalls(routes)
	a.registerLimits(routes)
	a.registerBudgets(routes)
	a.registerBudgetChanges(routes)
	a.registerAlerts(routes)
	a.registerAlertMarks(routes)
	a.registerGrants(routes)
	a.registerGrantChanges(routes)
	a.registerRequests(routes)
	a.registerKeys(routes)
	a.registerKeyChanges(routes)
	a.registerHealth(routes)
}

// get is the operation of a route that reads.
func get(id, path, tag, summary, description string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: Root + path, Tags: []string{tag}, Summary: summary, Description: description,
		Errors: []int{
			http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		},
	}
}

// handle registers a route whose answer is only a body.
func handle[I, O any](a *api, routes huma.API, operation huma.Operation, answer func(ctx context.Context, who auth.Who, in *I) (*O, error)) {
	ask := question(a, answer)
	a.questions[operation.OperationID] = ask
	operation.Responses = describe[O](operation)
	huma.Register(routes, operation, func(ctx context.Context, in *I) (*body[O], error) {
		out, err := ask(ctx, whoOf(ctx), in)
		if err != nil {
			return nil, err
		}
		return &body[O]{ETag: versionOf(out), Body: out}, nil
	})
}

// describe adds to what huma documents of a route's answers: that reads are answered with 304 if there is
// nothing new, and that tables can be had as CSV.
func describe[O any](operation huma.Operation) map[string]*huma.Response {
	if operation.Method != http.MethodGet {
		return nil
	}
	responses := map[string]*huma.Response{
		strconv.Itoa(http.StatusNotModified): {Description: "What has the ETag that If-None-Match names is still the answer."},
	}
	if _, ok := any(new(O)).(table); ok {
		responses[strconv.Itoa(http.StatusOK)] = &huma.Response{Content: map[string]*huma.MediaType{
			mediaJSON: {},
			mediaCSV:  {Schema: &huma.Schema{Type: huma.TypeString, Description: "The same rows, with a first line that names the columns (RFC 4180)."}},
		}}
	}
	return responses
}

// inTurn answers when it is the caller's turn.
func inTurn[I, O any](ctx context.Context, a *api, who auth.Who, in *I, answer func(ctx context.Context, who auth.Who, in *I) (*O, error)) (*O, error) {
	done, err := a.turns.take(ctx, who.Subject())
	if err != nil {
		return nil, err
	}
	defer done()
	return answer(ctx, who, in)
}

type body[O any] struct {
	// ETag is the version from which tagged makes the ETag; empty if the route sets none.
	ETag string `header:"ETag"`
	Body *O
}

type whoKey struct{}

func whoOf(ctx context.Context) auth.Who { return ctx.Value(whoKey{}).(auth.Who) }

// identified finds the caller of every route, and refuses unknown ones.
func (a *api) identified(ctx huma.Context, next func(huma.Context)) {
	request, w := humago.Unwrap(ctx)
	who, err := a.Auth.Identify(ctx.Context(), request.Header)
	if err != nil {
		write(w, a.explained(ctx.Context(), err))
		return
	}
	next(huma.WithValue(ctx, whoKey{}, who))
}

// unambiguous refuses a query of which huma would leave something out: a repeated parameter, of which huma
// takes the first, or an unreadable one. An answer about less or more than was asked for is a wrong figure.
func unambiguous(ctx huma.Context, next func(huma.Context)) {
	request, w := humago.Unwrap(ctx)
	query, err := url.ParseQuery(request.URL.RawQuery)
	if err != nil {
		write(w, invalid("query", "cannot be read: in a value, write ; as %3B and % as %25"))
		return
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if len(query[name]) > 1 {
			write(w, invalid("query."+name, "is given more than once: separate several values with commas"))
			return
		}
	}
	next(ctx)
}

// write answers with a problem, outside of huma.
func write(w http.ResponseWriter, err error) {
	p, ok := err.(*Problem) //nolint:errorlint // explained returns nothing else
	if !ok {
		p = unavailable()
	}
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may have gone
}
