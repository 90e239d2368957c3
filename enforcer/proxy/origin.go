package proxy

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/enforcer/call"
)

// ParseOrigin reads an origin whose pages may call: "https://app.example.com", with a port if that
// is not the scheme's own. There are no wildcards.
func ParseOrigin(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Scheme+"://"+u.Host != text || strings.Contains(text, "*") {
		return "", fmt.Errorf("%q is not an origin: write a scheme and a host, such as \"https://app.example.com\", without a path or *", text)
	}
	return strings.ToLower(text), nil
}

// preflightSeconds is how long a browser may remember what it was told that it may send.
const preflightSeconds = "600"

// exposed are the fields of answers that pages may read, beside those that browsers always show.
var exposed = strings.Join([]string{
	call.CallIDHeader, call.CostHeader, call.LimitHeader, call.LeftHeader, call.ModelHeader, call.MaxOutputHeader, call.LoweredByHeader, call.ShadowHeader, call.StoreLostHeader,
	call.PricedAsHeader, call.FallbackHeader, call.ReplayedHeader,
	"Age", "Retry-After", "X-Should-Retry", "X-Request-Id", "Request-Id",
	"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests",
	"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens",
	"Anthropic-Ratelimit-Requests-Limit", "Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset",
	"Anthropic-Ratelimit-Tokens-Limit", "Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset",
}, ", ")

// isPreflight is whether a browser asks, without the caller's key, what a page may send.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// allowOrigin tells a browser that a page of the request's origin may call, if it may, and reports
// whether. Cookies never count, so the browser is not told to send any: whoever calls has a key.
func (p *Proxy) allowOrigin(header http.Header, r *http.Request) bool {
	if len(p.AllowedOrigins) == 0 {
		return false
	}
	header.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if !slices.Contains(p.AllowedOrigins, strings.ToLower(origin)) {
		return false
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Expose-Headers", exposed)
	if isPreflight(r) {
		header.Add("Vary", "Access-Control-Request-Headers")
		header.Set("Access-Control-Allow-Methods", "GET, POST")
		header.Set("Access-Control-Max-Age", preflightSeconds)
		if fields := r.Header.Get("Access-Control-Request-Headers"); fields != "" {
			// Clients send many of their own. A field that means nothing here is not read.
			header.Set("Access-Control-Allow-Headers", fields)
		}
	}
	return true
}
