package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// asCSV lets a link ask for CSV: ?format=csv is the header field Accept: text/csv.
func asCSV(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		switch format := query.Get("format"); format {
		case "csv":
			r.Header.Set("Accept", mediaCSV)
		case "json":
			r.Header.Set("Accept", mediaJSON)
		default:
			r.Header.Set("Accept", mediaRanges(r.Header.Values("Accept")))
		}
		next.ServeHTTP(w, r)
	})
}

// mediaRanges are the media ranges of a header field Accept. It leaves out values without a subtype: huma
// would answer "json" with that as the content type.
func mediaRanges(accept []string) string {
	ranges := strings.Split(strings.Join(accept, ","), ",")
	return strings.Join(slices.DeleteFunc(ranges, func(one string) bool { return !strings.Contains(one, "/") }), ",")
}

// tagged gives answers to reads an ETag, and answers 304 to clients that have the same answer already.
func tagged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "private, no-cache")
		w.Header().Add("Vary", "Authorization, Cookie, Accept")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Cache-Control", "no-store") // some of these show a secret
			next.ServeHTTP(&quotedResponse{w}, r)
			return
		}
		kept := &keptResponse{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(kept, r)
		if kept.status == http.StatusOK {
			w.Header().Set("ETag", tagOf(w.Header().Get("ETag"), kept.body.Bytes()))
		}
		if kept.status == http.StatusOK && matches(r.Header.Values("If-None-Match"), w.Header().Get("ETag")) {
			w.Header().Del("Content-Type")
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.WriteHeader(kept.status)
		_, _ = w.Write(kept.body.Bytes()) // the client may have gone
	})
}

// tagOf is the ETag of an answer: the version of the object that it is about, if there is one, and
// a hash of all of it.
func tagOf(version string, answer []byte) string {
	sum := sha256.Sum256(answer)
	hash := base64.RawURLEncoding.EncodeToString(sum[:16])
	if version != "" {
		hash = version + tagSeparator + hash
	}
	return `"` + hash + `"`
}

// matches reports whether If-None-Match has a tag (RFC 9110, 13.1.2).
func matches(fields []string, tag string) bool {
	for candidate := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == "*" || candidate == tag {
			return true
		}
	}
	return false
}

// quotedResponse is the response to a change, whose ETag is the new version of the object.
type quotedResponse struct{ http.ResponseWriter }

// WriteHeader quotes the ETag.
func (q *quotedResponse) WriteHeader(status int) {
	if version := q.Header().Get("ETag"); version != "" {
		q.Header().Set("ETag", `"`+version+`"`)
	}
	q.ResponseWriter.WriteHeader(status)
}

// keptResponse keeps the body until it is known what to answer.
type keptResponse struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader keeps the status.
func (k *keptResponse) WriteHeader(status int) { k.status = status }

// Write keeps a part of the body.
func (k *keptResponse) Write(part []byte) (int, error) { return k.body.Write(part) }

// methods answers a wrong method with 405. Without it, the handler of unknown routes would answer.
func methods(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == Root+"/" {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
				other := r.Clone(r.Context())
				other.Method = method
				if _, pattern := mux.Handler(other); pattern != Root+"/" && method != r.Method {
					w.Header().Add("Allow", method)
				}
			}
			if w.Header().Get("Allow") != "" {
				write(w, problem(http.StatusMethodNotAllowed, "method_not_allowed", "Method not allowed", "the route takes "+strings.Join(w.Header().Values("Allow"), ", ")))
				return
			}
		}
		mux.ServeHTTP(w, r)
	})
}
