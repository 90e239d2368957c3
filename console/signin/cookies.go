package signin

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	sessionCookie  = "bursar-session"
	providerCookie = "bursar-provider"
	signInCookie   = "bursar-sign-in-"
	// partBytes is how much of a session one cookie holds: browsers take 4096 bytes with name
	// and attributes.
	partBytes = 3800
	// maxParts bounds a session: the header of a request has room for no more.
	maxParts = 4
	// maxSignIns is how many sign-ins of one browser may be in progress.
	maxSignIns = 4
	// providerFor is how long a browser remembers where a person has signed in.
	providerFor = 30 * 24 * time.Hour
)

// cookies write the console's cookies. With TLS, they are for this host alone, and neither a
// host beside it nor one below can set them.
type cookies struct{ secure bool }

func (c cookies) name(name string) string {
	if c.secure {
		return "__Host-" + name
	}
	return name
}

// set sets a cookie, until the browser closes or, if lifetime is positive, for that long.
func (c cookies) set(w http.ResponseWriter, name, value string, lifetime time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name(name), Value: value, Path: "/", MaxAge: int(lifetime.Seconds()),
		Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (c cookies) clear(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name(name), Path: "/", MaxAge: -1, Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (c cookies) get(r *http.Request, name string) string {
	cookie, err := r.Cookie(c.name(name))
	if err != nil {
		return ""
	}
	return cookie.Value
}

// setParts sets a long value as several cookies, and clears the rest of a longer one before it.
// It reports whether the value is short enough.
func (c cookies) setParts(w http.ResponseWriter, r *http.Request, name, value string) bool {
	if len(value) > maxParts*partBytes {
		return false
	}
	n := 0
	for ; value != ""; n++ {
		length := min(len(value), partBytes)
		c.set(w, part(name, n), value[:length], 0)
		value = value[length:]
	}
	c.clearParts(w, r, name, n)
	return true
}

// clearParts clears the cookies of a long value from a part on.
func (c cookies) clearParts(w http.ResponseWriter, r *http.Request, name string, from int) {
	for n := from; n < maxParts; n++ {
		if c.get(r, part(name, n)) != "" {
			c.clear(w, part(name, n))
		}
	}
}

// getParts is a long value that setParts has set.
func (c cookies) getParts(r *http.Request, name string) string {
	var value strings.Builder
	for n := range maxParts {
		next := c.get(r, part(name, n))
		if next == "" {
			break
		}
		value.WriteString(next)
	}
	return value.String()
}

func part(name string, n int) string { return name + "-" + strconv.Itoa(n) }

// clearSignIns clears the cookies of unfinished sign-ins if there are so many that others hardly
// have room, because any page can make a browser begin sign-ins.
func (c cookies) clearSignIns(w http.ResponseWriter, r *http.Request) {
	var found []string
	for _, cookie := range r.Cookies() {
		if strings.HasPrefix(cookie.Name, c.name(signInCookie)) {
			found = append(found, strings.TrimPrefix(cookie.Name, c.name("")))
		}
	}
	if len(found) < maxSignIns {
		return
	}
	for _, name := range found {
		c.clear(w, name)
	}
}
