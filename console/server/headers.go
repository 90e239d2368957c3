package server

import (
	"net/http"
	"strings"
)

const (
	apiPrefix = "/api/"
	// apiPolicy lets an answer of the API be no page.
	apiPolicy = "default-src 'none'; frame-ancestors 'none'"
	// pagePolicy lets a page use what the console itself serves, and nothing inline.
	pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
		"manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// protect tells browsers what an answer may do, and not to show it to others, embed it or store
// it. A handler may let public answers, such as a stylesheet, be stored.
func protect(header http.Header, path string, isHTTPS bool) {
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	if isHTTPS {
		header.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if strings.HasPrefix(path, apiPrefix) {
		header.Set("Content-Security-Policy", apiPolicy)
		header.Set("Referrer-Policy", "no-referrer")
		return
	}
	header.Set("Content-Security-Policy", pagePolicy)
	header.Set("Referrer-Policy", "same-origin") // with a stricter one, browsers hide which page has sent a form
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
	header.Set("Cache-Control", "no-store")
}
