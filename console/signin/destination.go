package signin

import (
	"net/http"
	"net/url"
	"strings"
)

// home is the page for people who asked for none.
const home = "/"

// maxDestination is the longest address to return to.
const maxDestination = 1500

// destination is the page of the console to return to, as a path with its query; home if the
// address is none.
func destination(asked string) string {
	if len(asked) > maxDestination || strings.ContainsAny(asked, "\\") {
		return home
	}
	u, err := url.Parse(asked) // it refuses control characters
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

// isOwn reports whether a path is this package's: a sign-in must not return to a sign-in.
func isOwn(path string) bool {
	return path == Path || strings.HasPrefix(path, Path+"/") || path == OutPath
}

// signInURL signs in, and then returns to the page of a request.
func signInURL(r *http.Request) string { return URLTo(r.URL.RequestURI()) }

// URLTo signs in, and then goes to a page.
func URLTo(to string) string {
	if to = destination(to); to == home {
		return Path
	}
	return Path + "?" + url.Values{"to": {to}}.Encode()
}
