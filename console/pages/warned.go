package pages

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/console/signin"
)

// warnedCookie keeps the API server's warnings about a change for the page after it, and for as long
// as the reader may reload that.
const (
	warnedCookie = "bursar_warned"
	warnedFor    = 10 * time.Minute
	// mostWarned is how many bytes of warnings are kept, encoded: browsers take cookies of 4096 bytes.
	mostWarned = 3500
)

// warned are warnings of the API server, in English.
type warned struct {
	Texts []string `json:"texts"`
	// Left is how many more there were than are kept.
	Left int64 `json:"left,omitempty"`
}

// fitting are as many warnings as can be kept.
func fitting(texts []string) (fits warned) {
	bytes := 0
	for i, text := range texts {
		encoded, _ := json.Marshal(text) // a string can always be encoded
		if bytes += base64.RawURLEncoding.EncodedLen(len(encoded) + 1); bytes > mostWarned {
			fits.Left = int64(len(texts) - i)
			break
		}
		fits.Texts = append(fits.Texts, text)
	}
	return fits
}

// keepWarned keeps the warnings of a change for the page that it leads to, and drops those of earlier
// changes.
func (q *request) keepWarned(w http.ResponseWriter, v view) {
	cookie := &http.Cookie{Name: warnedCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: signin.IsOverTLS(q.ctx)}
	if len(v.warnings) > 0 {
		encoded, _ := json.Marshal(fitting(v.warnings))
		text := base64.RawURLEncoding.EncodeToString(encoded)
		cookie.Value, cookie.MaxAge = text+"."+q.seal(text, v.done), int(warnedFor.Seconds())
	} else if _, err := q.Cookie(warnedCookie); err != nil {
		return
	}
	http.SetCookie(w, cookie)
}

// warned are the warnings about the change that this page is shown after.
func (q *request) warned() (found warned) {
	cookie, err := q.Cookie(warnedCookie)
	if err != nil {
		return found
	}
	text, seal, _ := strings.Cut(cookie.Value, ".")
	if !hmac.Equal([]byte(seal), []byte(q.seal(text, q.URL.Query().Get(doneParameter)))) {
		return found
	}
	if encoded, err := base64.RawURLEncoding.DecodeString(text); err == nil {
		_ = json.Unmarshal(encoded, &found) // the console has encoded it
	}
	return found
}

// seal proves that the console has told the reader a text after a change of theirs. It is made with
// the token of their forms, which nobody else has.
func (q *request) seal(text, done string) string {
	mac := hmac.New(sha256.New, []byte(signin.FormToken(q.ctx)))
	mac.Write([]byte("warned\n" + done + "\n" + text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
