package signin

import (
	"strings"
	"testing"
)

// TestEveryTextIsTranslated, and says of whom it speaks in every language.
func TestEveryTextIsTranslated(t *testing.T) {
	for _, one := range []saying{
		textSignIn, textChoose, textOutNow, textNobody, textOut, textExpired, textUnavailable, textTooMany, textNotBegun, textStaleForm, textCrossSite,
		textRefused, textIssuerAway, textMisconfigured, textNotTaken, textTooLarge,
	} {
		for _, text := range []string{one.Title, one.Lead} {
			if translated := say("es", text); translated == text || strings.Contains(text, "%s") != strings.Contains(translated, "%s") {
				t.Errorf("%q is in Spanish %q", text, translated)
			}
		}
	}
}
