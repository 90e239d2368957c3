package protocol

import (
	"bytes"
	"strconv"
)

// asciiEscape is how the escape of an ASCII character begins, whether the character needs one or
// not.
var asciiEscape = []byte(`\u00`)

// appendPlain appends JSON in which the letters, digits and signs of names are not escaped: its
// values are the same, and names can be found in it as they are.
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
