package signin

import (
	"context"
	"net/http"
)

const (
	// outParameter says that the reader has just signed out.
	outParameter      = "signed-out"
	providerParameter = "provider"
)

// askOut asks whether to sign out. A link alone, which any page can have, must not sign anybody out.
func (s *SignIn) askOut(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, textOut)
}

// out ends the session, so that no copy of its cookie counts any more, and has the browser forget
// what it has of the console. Cookies of other hosts of the domain stay, because they are not the
// console's.
func (s *SignIn) out(w http.ResponseWriter, r *http.Request) {
	if open, ok := s.session(r); ok && s.Ended != nil {
		ctx, cancel := context.WithTimeout(r.Context(), endedTimeout)
		defer cancel()
		if err := s.Ended.End(ctx, open.ID, open.Until); err != nil {
			s.Log.Warn("A session is ended only in its browser", "error", err)
		}
	}
	s.cookies.clearParts(w, r, sessionCookie, 0)
	s.cookies.clear(w, providerCookie)
	w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	http.Redirect(w, r, Path+"?"+outParameter+"=true", http.StatusSeeOther)
}
