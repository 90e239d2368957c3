package signin

import (
	"net/http"
	"net/url"
	"strings"
)

// home is where somebody lands who asked for no page.
const home = "/"

// maxDestination is the longest address that somebody is taken back to.
const maxDestination = 1500

// destination is where to take somebody back to: a page of the console, as a path with its
// query. What is none is home.
func destination(asked string) string {
	if len(asked) > maxDestination || strings.ContainsAny(asked, "\\") {
		return home
	}
	u, err := url.Parse(asked) // which refuses control characters
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return home
	}
	path := u.EscapedPath()
	if !strings.HasPrefix(path, "/") || isWayOut(u.Path) || isOwn(u.Path) || strings.HasPrefix(u.Path, apiPrefix) {
		return home
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()
}

// isWayOut reports whether something on the way to the browser could take a path for the address
// of another host.
func isWayOut(path string) bool {
	return strings.Contains(path, "//") || strings.Contains(path, "/.") || strings.ContainsFunc(path, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == '\\'
	})
}

// isOwn reports whether a path is this package's: nobody is to be taken back to a sign-in.
func isOwn(path string) bool {
	return path == Path || strings.HasPrefix(path, Path+"/") || path == OutPath
}

// signInURL is where to sign in, to come back to the page of a request.
func signInURL(r *http.Request) string { return URLTo(r.URL.RequestURI()) }

// URLTo is where to sign in, to come back to a page then.
func URLTo(to string) string {
	if to = destination(to); to == home {
		return Path
	}
	return Path + "?" + url.Values{"to": {to}}.Encode()
}
