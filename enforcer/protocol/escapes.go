package protocol

import (
	"bytes"
	"strconv"
)

// asciiEscape is how an escape begins of a character that need not be escaped. Those that must
// be begin so, too.
var asciiEscape = []byte(`\u00`)

// appendPlain appends JSON with the letters, digits and signs of names in the place of their
// escapes: it has the same values, and the names in it can be found.
func appendPlain(to, json []byte) []byte {
	for len(json) > 0 {
		i := bytes.IndexByte(json, '\\')
		if i < 0 || i+1 >= len(json) {
			return append(to, json...)
		}
		to = append(to, json[:i]...)
		json = json[i:]
		if c, ok := plainOf(json); ok {
			to, json = append(to, c), json[len(`\u0000`):]
			continue
		}
		to, json = append(to, json[:2]...), json[2:]
	}
	return to
}

// plainOf is the character of a name that an escape at the start of json stands for, if it does.
func plainOf(json []byte) (byte, bool) {
	if !bytes.HasPrefix(json, asciiEscape) || len(json) < len(`\u0000`) {
		return 0, false
	}
	code, err := strconv.ParseUint(string(json[4:6]), 16, 8)
	c := byte(code)
	isName := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-'
	return c, err == nil && isName
}
