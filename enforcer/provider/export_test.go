package provider

import "net/http"

// ReadKey is how the Client reads a provider's key.
func ReadKey(dir, file string) (string, error) { return keyring{dir: dir}.read(file) }

// Withhold removes what clients do not get from the header of an answer.
func (c *Client) Withhold(answer http.Header) { c.withheld.removeFrom(answer) }
