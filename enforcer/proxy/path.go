package proxy

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// find is the endpoint that a request asks for, and its path there. Where there is none at the
// request's path, the path is taken for one that a client with a wrong base URL has made: without
// the API's version, with the version twice, or with a slash too many.
func (p *Proxy) find(r *http.Request) (found endpoint, path string, ok bool) {
	if there, known := p.exact[target{r.URL.Path, r.Method}]; known { // nearly all requests
		return there, r.URL.Path, true
	}
	if there, known := p.at(r.URL.Path, r.Method); known && there.method == r.Method {
		return there, r.URL.Path, true
	}
	for _, candidate := range paths(r.URL.Path) {
		there, known := p.at(candidate, r.Method)
		switch {
		case known && there.method == r.Method:
			return there, candidate, true
		case known && !ok:
			found, path, ok = there, candidate, true
		}
	}
	return found, path, ok
}

// target is what a request asks for.
type target struct{ path, method string }

// exactly is the endpoints by what asks for them with a path that is the pattern itself.
func (p *Proxy) exactly() map[target]endpoint {
	exact := map[target]endpoint{}
	for _, e := range p.endpoints {
		if there, known := p.at(e.path, e.method); known && there.method == e.method {
			exact[target{e.path, e.method}] = there
		}
	}
	return exact
}

// at is the endpoint at a path, if there is one. Of several, it is the one whose pattern says most,
// and of those with one pattern the one for the method.
func (p *Proxy) at(path, method string) (found endpoint, ok bool) {
	for _, e := range p.endpoints {
		if _, matches := protocol.MatchPath(e.path, path); !matches || e.open && e.method != method {
			continue
		}
		if !ok || len(e.path) > len(found.path) || e.path == found.path && e.method == method {
			found, ok = e, true
		}
	}
	return found, ok
}

// versions are the first part of the paths of APIs.
var versions = []string{"/v1", "/v1beta"}

// paths are the path of a request, and what it may stand for.
func paths(asked string) []string {
	clean := asked
	for strings.Contains(clean, "//") {
		clean = strings.ReplaceAll(clean, "//", "/")
	}
	if len(clean) > 1 {
		clean = strings.TrimSuffix(clean, "/")
	}
	all := []string{asked, clean}
	for _, version := range versions {
		if rest, ok := strings.CutPrefix(clean, version+"/"); ok {
			return append(all, "/"+rest, "/v1beta/"+rest) // another version may follow; Gemini's API has two
		}
	}
	for _, version := range versions {
		all = append(all, version+clean)
	}
	return all
}

// withPath is the request with another path.
func withPath(r *http.Request, path string) *http.Request {
	if r.URL.Path == path {
		return r
	}
	changed := *r
	changed.URL = &url.URL{Path: path, RawQuery: r.URL.RawQuery}
	return &changed
}
