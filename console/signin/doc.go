// Package signin signs people in to the console, by the authorization code flow of OpenID Connect
// with PKCE, at every IdentityProvider that declares a client. It also finds the caller of a
// page: by the token of a session, of the header, or of a cookie of another application. Pages
// and API get it in one form, as the bearer token of the request.
//
// Its files: begin.go and callback.go are the two halves of a sign-in, end.go is the sign-out,
// and ended.go remembers sessions that have signed out; middleware.go finds the credential of a
// request, crosssite.go refuses what another site has a browser send, keys.go seals cookies,
// cookies.go writes them, issuer.go asks issuers.
//
// It must never send a browser to an address that a request names, let a token into a page, a URL
// or a log, or keep anything of a session outside the cookie, except that it was ended: every
// replica of the console accepts the sessions of all others.
package signin
