package server

import (
	"net/http"
	"strings"
)

const (
	apiPrefix = "/api/"
	// apiPolicy says that an answer of the API is no page.
	apiPolicy = "default-src 'none'; frame-ancestors 'none'"
	// pagePolicy lets a page have what the console itself serves, and nothing inline.
	pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
		"manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// protect says to browsers what an answer may do, and that it is nobody's to show, to embed or to
// keep. A handler may let what is nobody's, such as a stylesheet, be kept.
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
	header.Set("Referrer-Policy", "same-origin") // with less, browsers hide from where a form is sent
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
	header.Set("Cache-Control", "no-store")
}
