package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/identity/identify"
	"github.com/bursar-dev/bursar/console/cluster"
	"github.com/bursar-dev/bursar/console/marks"
	"github.com/bursar-dev/bursar/console/said"
	"github.com/bursar-dev/bursar/history"
)

// Problem is an error as RFC 9457 has it.
type Problem struct {
	Type   string `json:"type" example:"urn:bursar:problem:invalid-parameter" doc:"The kind of problem, as a URN."`
	Title  string `json:"title" example:"Invalid parameter" doc:"What the kind of problem is called."`
	Status int    `json:"status" example:"422" doc:"The HTTP status."`
	Code   string `json:"code" example:"invalid_parameter" doc:"The kind of problem, for programs."`
	Detail string `json:"detail" example:"from must be before to." doc:"What is wrong, and what to do."`
	// Errors say which parameters are wrong.
	Errors []ParameterError `json:"errors,omitempty" doc:"The parameters that are wrong."`
	// Managed and Patch are set if something cannot be changed here.
	Managed []ManagedField `json:"managed,omitempty" doc:"What of a change others manage, such as GitOps."`
	Patch   string         `json:"patch,omitempty" doc:"The change to commit where that is managed, as YAML: the members of spec that it changes, whole."`

	header http.Header
}

// ParameterError is what is wrong with one parameter.
type ParameterError struct {
	Parameter string `json:"parameter" example:"query.from" doc:"Where the parameter stands and what it is called: path, query, header or body, and its name."`
	Message   string `json:"message" example:"must be before to" doc:"What is wrong with it."`
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func problem(status int, code, title, detail string) *Problem {
	return &Problem{
		Type: "urn:bursar:problem:" + strings.ReplaceAll(code, "_", "-"), Title: title, Status: status, Code: code, Detail: sentence(detail),
	}
}

// sentence turns a text into a sentence.
func sentence(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}

// invalid is the problem of a parameter that is wrong, such as "query.from".
func invalid(parameter, message string) *Problem {
	name := parameter[strings.LastIndexByte(parameter, '.')+1:]
	p := problem(http.StatusUnprocessableEntity, codeInvalid, titleInvalid, name+" "+message)
	p.Detail = name + " " + strings.TrimSuffix(message, ".") + "."
	p.Errors = []ParameterError{{parameter, message}}
	return p
}

const codeInvalid, titleInvalid = "invalid_parameter", "Invalid parameter"

// forbidden is the problem of asking about a tenant that the caller may not see, whether or not
// it exists.
func forbidden(what string) *Problem {
	return problem(http.StatusForbidden, "forbidden", "Forbidden", what)
}

func notFound(what string) *Problem {
	return problem(http.StatusNotFound, "not_found", "Not found", what)
}

// codes are those of the statuses that huma itself answers with.
var codes = map[int]string{
	http.StatusBadRequest: "invalid_request", http.StatusUnprocessableEntity: codeInvalid, http.StatusNotFound: "not_found",
	http.StatusMethodNotAllowed: "method_not_allowed", http.StatusNotAcceptable: "not_acceptable",
	http.StatusRequestEntityTooLarge: "request_too_large", http.StatusUnsupportedMediaType: "unsupported_media_type",
	http.StatusRequestTimeout: "request_timeout", http.StatusInternalServerError: "internal_error",
}

// fromHuma makes a Problem of what huma finds wrong with a request.
func fromHuma(status int, message string, errs ...error) huma.StatusError {
	code, known := codes[status]
	if !known {
		code = strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
	}
	p := problem(status, code, http.StatusText(status), message)
	if status == http.StatusUnprocessableEntity {
		p.Title = titleInvalid
	}
	for _, err := range errs {
		var detailed huma.ErrorDetailer
		if errors.As(err, &detailed) {
			detail := detailed.ErrorDetail()
			p.Errors = append(p.Errors, ParameterError{detail.Location, demanded(detail.Message)})
		}
	}
	return p
}

// demanded turns huma's complaint about a text into this package's words.
func demanded(message string) string {
	if what, ok := strings.CutPrefix(message, "expected string to be "); ok {
		return "must be " + what
	}
	return message
}

// explained turns an error of what the API depends on into what its caller may know. The rest is
// only in the log.
func (a *api) explained(ctx context.Context, err error) error {
	var told *Problem
	var failure *pgconn.PgError
	var unknown *identify.Error
	var choice *identity.ChoiceError
	var incomplete *history.IncompleteError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &told):
		return told
	case errors.As(err, &unknown):
		return unidentified(unknown)
	case errors.As(err, &choice):
		return unchosen(choice)
	case errors.Is(err, cluster.ErrNoTenant):
		return notFound("there is no such tenant")
	case errors.Is(err, history.ErrNoCall):
		return notFound("the ledger has no such call, or it is not yours to see: it has calls that have ended, and those that a limit refused")
	case errors.Is(err, history.ErrNoAlert):
		return notFound("there is no such alert, or it is not yours to see")
	case errors.Is(err, marks.ErrTooMany):
		return tooMany("too_many_tests", "Too many tests", "ten tests were sent within the hour: try again later")
	case errors.Is(err, marks.ErrTooManyMutes):
		return tooMany("too_many_mutes", "Too many mutes", "the alert was muted or unmuted twenty times within the hour: try again later")
	case errors.Is(err, errBusy):
		return busy()
	case errors.Is(err, said.ErrReadOnly):
		a.Log.Warn("The console may not write to the ledger's database", "error", err)
		return problem(http.StatusForbidden, "read_only", "Read-only", "this console may not write to its database: whoever installed it may make its login a member of bursar_console")
	case ofRequest(err) != nil:
		return ofRequest(err)
	case errors.As(err, &incomplete):
		p := problem(http.StatusServiceUnavailable, "incomplete", "Still being added up", incomplete.Error())
		p.header = http.Header{"Retry-After": {"60"}}
		return p
	case errors.Is(err, history.ErrQuery):
		return ofQuery(strings.TrimPrefix(afterLast(err.Error(), history.ErrQuery.Error()), ": "))
	case ofChange(err) != nil:
		if errors.Is(err, cluster.ErrMayNot) {
			a.Log.Warn("The console may not change the cluster", "error", err)
		}
		return ofChange(err)
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
		return problem(http.StatusGatewayTimeout, "timeout", "Timeout", "the answer took too long: ask for a shorter time, or for fewer rows")
	case !errors.As(err, &failure) || isOfSchema(failure.Code):
		a.Log.Error("The ledger or the cluster cannot be read", "error", err)
		return unavailable()
	}
	a.Log.Error("The ledger refused a query", "error", err)
	return internal()
}

func internal() *Problem {
	return problem(http.StatusInternalServerError, "internal_error", "Internal error", "the console failed to answer: its log says why")
}

// isOfSchema reports whether a SQLSTATE means that the schema is of another version, for example
// because the manager has yet to migrate it.
func isOfSchema(code string) bool { return code == "42P01" || code == "42703" || code == "42883" }

func unavailable() *Problem {
	p := problem(http.StatusServiceUnavailable, "unavailable", "Unavailable", "the ledger or the cluster cannot be read now: try again in a moment")
	p.header = http.Header{"Retry-After": {"5"}}
	return p
}

func tooMany(code, title, detail string) *Problem {
	p := problem(http.StatusTooManyRequests, code, title, detail)
	p.header = http.Header{"Retry-After": {"600"}}
	return p
}

// ofQuery is the problem of a query that history refuses. A message about a parameter begins
// with that; the others are about what the query groups by.
func ofQuery(message string) *Problem {
	p := problem(http.StatusUnprocessableEntity, codeInvalid, titleInvalid, message)
	name, _, _ := strings.Cut(message, " ")
	if !slices.Contains([]string{"after", "from", "to", "limit"}, name) {
		name = "by"
	}
	p.Errors = []ParameterError{{"query." + name, message}}
	return p
}

func afterLast(text, mark string) string {
	if at := strings.LastIndex(text, mark); at >= 0 {
		return text[at+len(mark):]
	}
	return text
}

// unidentified is the problem of a caller whom the console does not know.
func unidentified(why *identify.Error) *Problem {
	switch why.Status {
	case identify.Unavailable:
		return unavailable()
	case identify.Forbidden:
		return forbidden(why.Message)
	case identify.Undecided:
		return problem(http.StatusUnprocessableEntity, why.Code, why.Title, why.Message)
	}
	p := problem(http.StatusUnauthorized, why.Code, why.Title, why.Message)
	p.header = http.Header{"Www-Authenticate": {why.Challenge}}
	return p
}

// unchosen is the problem of a caller with several tenants who has not said which one is meant.
func unchosen(why *identity.ChoiceError) *Problem {
	if why.Asked != "" || len(why.Tenants) == 0 {
		return forbidden("you belong to no tenant")
	}
	return invalid("query.tenant", "must name one of your tenants: "+strings.Join(why.Tenants, ", "))
}
