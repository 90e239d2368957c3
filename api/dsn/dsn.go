// Package dsn knows what the URLs of Redis and of Postgres have in common.
package dsn

import "net/url"

// HasPassword reports whether a URL holds a password. One that cannot be parsed is
// taken to hold none.
func HasPassword(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.User == nil {
		return false
	}
	_, has := u.User.Password()
	return has
}
