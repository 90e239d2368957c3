package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
)

// This is what routes share that change something in the cluster:
//
//	by := a.by(who)                                    // or a.by(who).Trying()
//	warnings, err := by.Change(ctx, object, seen, ...) // or Create, or Delete
//
// The error may be returned as it is: explained, which is asked of every error, knows it.

// by changes the cluster on behalf of the caller. It does not check whether the caller may.
func (a *api) by(who auth.Who) cluster.Writer { return a.Cluster.By(who.Person()) }

// personOf is the caller's name for the records.
func personOf(who auth.Who) string { return cluster.Printable(who.Person()) }

// changing is the operation of a route that changes something.
func changing(method, id, path, tag, summary, description string) huma.Operation {
	operation := get(id, path, tag, summary, description)
	operation.Method = method
	operation.Errors = append(operation.Errors, http.StatusBadRequest, http.StatusConflict, http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	return operation
}

// bounded is the operation of a route that limits how often a caller may use it.
func bounded(operation huma.Operation) huma.Operation {
	operation.Errors = append(operation.Errors, http.StatusTooManyRequests)
	return operation
}

// SeenParameter is the version of an object that the caller has seen before changing it.
type SeenParameter struct {
	IfMatch string `header:"If-Match" required:"true" maxLength:"200" doc:"The ETag of the answer that you have seen, or the version in it, in quotes; * for whichever there is. A change of something else is refused with 412."`
}

// seen is the version that is meant, in the form that a Writer takes; empty for any version.
func (p SeenParameter) seen() (string, error) {
	tag := strings.TrimPrefix(strings.TrimSpace(p.IfMatch), "W/")
	if tag == "*" {
		return "", nil
	}
	version, _, _ := strings.Cut(strings.Trim(tag, `"`), tagSeparator)
	if version == "" || strings.Contains(version, `"`) {
		return "", invalid("header.If-Match", "must be one ETag, such as that of the answer to GET, or *")
	}
	return version, nil
}

// versioned is an answer about an object that may be changed. Its ETag begins with the version of
// the object's spec, so that a change is not refused as stale when only figures in the answer
// have changed.
type versioned interface{ version() string }

// tagSeparator stands in an ETag between the version of an object and the hash of the answer.
const tagSeparator = "/"

// versionOf is the version that begins an answer's ETag; empty if the route knows none.
func versionOf(answer any) string {
	if v, ok := answer.(versioned); ok {
		return v.version()
	}
	return ""
}

// ManagedField is a field that another manager manages.
type ManagedField struct {
	Field   string `json:"field" example:"spec.limits[name=\"daily\"].amount"`
	Manager string `json:"manager" example:"argocd-controller" doc:"Who manages it, by the name that the client gives itself."`
}

// ofChange is the problem of a change of the cluster that failed; nil if it is not one that the
// caller can fix.
func ofChange(err error) *Problem {
	var managed *cluster.ManagedError
	var refused *cluster.RefusedError
	switch {
	case errors.As(err, &managed):
		return ofManaged(managed)
	case errors.As(err, &refused):
		return ofRefused(refused)
	case errors.Is(err, cluster.ErrStale):
		return problem(http.StatusPreconditionFailed, "stale", "Changed meanwhile", "somebody has changed it since you read it: read it again, and ask for what you still want")
	case errors.Is(err, cluster.ErrThere):
		return problem(http.StatusConflict, "already_exists", "Already exists", "there is one of this name already: choose another")
	case errors.Is(err, cluster.ErrNone):
		return notFound("there is no such object in the cluster, any more or yet")
	case errors.Is(err, cluster.ErrMayNot):
		return problem(http.StatusForbidden, "read_only", "Read-only", "this console has no right to change this in the cluster: whoever installed it may give it the ClusterRole bursar-console-writer")
	}
	return nil
}

func ofManaged(err *cluster.ManagedError) *Problem {
	p := problem(http.StatusConflict, "managed_elsewhere", "Managed elsewhere", "")
	var managers []string
	seen := map[string]bool{}
	for _, field := range err.Fields {
		p.Managed = append(p.Managed, ManagedField(field))
		if !seen[field.Manager] {
			seen[field.Manager], managers = true, append(managers, field.Manager)
		}
	}
	p.Patch = err.Patch
	p.Detail = "What you change is managed by " + strings.Join(managers, ", ") + ", and would be undone: make the change there."
	if p.Patch == "" {
		p.Detail = "It is managed by " + strings.Join(managers, ", ") + ", and would come back: delete it there."
	}
	return p
}

// ofRefused names fields as the body of a request does, which has the members of the spec.
func ofRefused(err *cluster.RefusedError) *Problem {
	p := problem(http.StatusUnprocessableEntity, codeInvalid, titleInvalid, err.Error())
	for _, field := range err.Fields {
		name := strings.TrimPrefix(strings.TrimPrefix(field.Field, "spec"), ".")
		p.Errors = append(p.Errors, ParameterError{strings.TrimSuffix("body."+name, "."), field.Message})
	}
	return p
}

// Removed is the answer to a route that deletes.
type Removed struct {
	Warnings []string `json:"warnings" nullable:"false" doc:"What the API server and Bursar's webhooks warn of."`
}

// remove deletes an object on behalf of the caller.
func (a *api) remove(ctx context.Context, who auth.Who, object client.Object, seen string) (*Removed, error) {
	warnings, err := a.by(who).Delete(ctx, object, seen)
	if err != nil {
		return nil, err
	}
	return &Removed{append([]string{}, warnings...)}, nil
}
