package signin

import (
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

//go:embed page.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

// saying is what a page of this package says.
type saying struct {
	// Title and Lead say what has happened, and what to do. %s in Title is Name, that of an
	// issuer.
	Title, Lead, Name string
	// Detail is why, as the console's API says it.
	Detail string
	// Again is the URL to sign in at again; empty for no link.
	Again string
	// Status is the page's; 0 is 502.
	Status int
	// Choices are where to sign in, and Out is whether the page asks whether to sign out.
	Choices []choice
	Out     bool
}

// choice is a link to an issuer.
type choice struct{ Title, At string }

func (t saying) status() int {
	if t.Status == 0 {
		return http.StatusBadGateway
	}
	return t.Status
}

var (
	textSignIn = saying{Title: "Sign in", Lead: "You are not signed in.", Again: Path}
	textChoose = saying{Title: "Sign in", Lead: "Choose where to sign in."}
	textOutNow = saying{Title: "You are signed out", Lead: "Where you signed in, you may still be signed in: sign out there, too, on a computer that others use."}
	textNobody = saying{Title: "Nobody signs in here", Lead: "No IdentityProvider of this console has a client (spec.client). Come from the application that this console belongs to, or ask who runs it."}
	textOut    = saying{Title: "Sign out?", Lead: "This ends your session in this browser.", Out: true}

	textExpired       = saying{Title: "You are no longer signed in", Lead: "Sign in again to continue."}
	textUnavailable   = saying{Title: "The console cannot answer now", Lead: "It does not know yet who may ask, or cannot read it. Try again in a moment.", Status: http.StatusServiceUnavailable}
	textTooMany       = saying{Title: "Too many sign-ins", Lead: "There were too many sign-ins from your address. Wait a moment and try again.", Again: Path}
	textNotBegun      = saying{Title: "This sign-in did not start here", Lead: "It took too long, had ended already, or started in another browser; or your browser does not accept cookies. Sign in again.", Again: Path}
	textStaleForm     = saying{Title: "The form is out of date", Lead: "Nothing was changed. Go back, load the page again, and send the form again."}
	textCrossSite     = saying{Title: "Refused", Lead: "The request comes from a page of another site, which may not change anything here. Nothing was changed."}
	textRefused       = saying{Title: "%s has not signed you in", Lead: "Try again, or ask who runs the sign-in whether you may use the console.", Status: http.StatusForbidden}
	textIssuerAway    = saying{Title: "%s could not be asked who you are", Lead: "Try again in a moment. If this continues, the console's log says why."}
	textMisconfigured = saying{Title: "%s is not set up", Lead: "Tell who runs the console: its log says what is missing."}
	textNotTaken      = saying{Title: "%s signed you in with a token that the console does not accept", Lead: "If this continues, tell who runs the console.", Status: http.StatusForbidden}
	textTooLarge      = saying{Title: "%s signed you in with a token that is too large", Lead: "A browser keeps about 11 KB of it. Ask who runs the sign-in to put fewer groups and roles into the console's tokens.", Status: http.StatusForbidden}
)

// show writes a page of this package, in the reader's language. Nothing in it is about a person
// except what the request itself says.
func (s *SignIn) show(w http.ResponseWriter, r *http.Request, status int, what saying) {
	in := languageOf(r)
	what.Title, what.Lead = strings.ReplaceAll(say(in, what.Title), "%s", what.Name), say(in, what.Lead)
	what.Detail = sentence(what.Detail)
	for i, c := range what.Choices {
		what.Choices[i].Title = strings.ReplaceAll(say(in, "Sign in with %s"), "%s", c.Title)
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Add("Vary", "Accept-Language, Cookie")
	w.WriteHeader(status)
	err := page.ExecuteTemplate(w, "page.html", struct {
		saying
		Language, Stylesheet, OutPath, SignIn, SignOut string
	}{what, in, Stylesheet, OutPath, say(in, "Sign in"), say(in, "Sign out")})
	if err != nil {
		s.Log.Debug("A page was not read to its end", "error", err)
	}
}

// sentence is a message as a sentence.
func sentence(message string) string {
	if message == "" {
		return message
	}
	return strings.ToUpper(message[:1]) + strings.TrimSuffix(message[1:], ".") + "."
}

// showProviders lets the reader choose where to sign in.
func (s *SignIn) showProviders(w http.ResponseWriter, r *http.Request, providers []v1alpha1.IdentityProvider, to string, isOut bool) {
	what := textChoose
	switch {
	case len(providers) == 0:
		what = textNobody
	case isOut:
		what = textOutNow
	}
	for i := range providers {
		query := url.Values{providerParameter: {providers[i].Name}}
		if to != home {
			query.Set("to", to)
		}
		what.Choices = append(what.Choices, choice{titleOf(&providers[i]), Path + "?" + query.Encode()})
	}
	s.show(w, r, http.StatusOK, what)
}
