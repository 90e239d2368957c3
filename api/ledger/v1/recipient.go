package ledgerv1

import "strings"

// Recipient is a recipient of alerts, by a channel.
type Recipient struct {
	Channel Channel
	// Address is an e-mail address; empty for the other channels, of which a budget has one each.
	Address string
}

// ParseRecipient is the recipient with a name: an address, or a channel other than Email.
func ParseRecipient(name string) Recipient {
	if strings.Contains(name, "@") {
		return Recipient{Channel: Email, Address: name}
	}
	return Recipient{Channel: Channel(name)}
}

// Name is the name of the recipient.
func (r Recipient) Name() string {
	if r.Channel == Email {
		return r.Address
	}
	return string(r.Channel)
}
