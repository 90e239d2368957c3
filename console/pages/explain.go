package pages

import (
	"net/http"
	"strings"

	"github.com/bursar-dev/bursar/console/api"
)

// told is what is wrong, and what to do, in plain words.
type told struct {
	Title, Text string
	// Details are the API's words, which are English.
	Details         string
	Link, LinkTitle string
}

// explain says what a problem means for the reader of a page.
func explain(l *locale, p *api.Problem) told {
	t := told{Details: p.Detail}
	if p.Code == "read_only" {
		t.Title, t.Text = l.say("This console may not change this"), l.say("Whoever installed it can allow it to.")
		return t
	}
	if p.Code == "managed_elsewhere" {
		t.Title, t.Text = l.say("This is managed elsewhere"), l.say("Change it where it comes from, such as in Git: a change made here would be undone.")
		return t
	}
	if p.Code == "incomplete" {
		t.Title, t.Text = l.say("These figures are still being added up"), l.say("Choose a shorter time, which ends today, or try again in a minute.")
		return t
	}
	if p.Code == "busy" {
		t.Title, t.Text = l.say("Other changes are being previewed"), l.say("Try again in a moment.")
		return t
	}
	switch p.Status {
	case http.StatusUnauthorized:
		t.Title, t.Text = l.say("You are not signed in"), l.say("Sign in to see this page. You will come back here.")
	case http.StatusForbidden:
		t.Title, t.Text = l.say("You may not see this"), l.say("Ask an administrator of the tenant if you need it. If you have just been given the right, sign out and in again.")
	case http.StatusNotFound:
		t.Title, t.Text = l.say("There is nothing here"), l.say("The address may be wrong, or what it names no longer exists, or you may not see it.")
	case http.StatusUnprocessableEntity, http.StatusBadRequest:
		t.Title, t.Text = l.say("This address is not valid"), l.say("Change what is selected, or go back.")
	case http.StatusConflict, http.StatusPreconditionFailed:
		t.Title, t.Text = l.say("This is not possible at the moment"), l.say("Go back, load the page again, and try again if you still want it.")
	case http.StatusTooManyRequests:
		t.Title, t.Text = l.say("This was done too often"), l.say("Wait a while and try again.")
	case http.StatusGatewayTimeout:
		t.Title, t.Text = l.say("This takes too long"), l.say("Choose a shorter time, or select fewer calls.")
	case http.StatusServiceUnavailable:
		t.Title, t.Text = l.say("Figures cannot be read just now"), l.say("The ledger or the cluster does not answer. Calls are still made. Try again in a moment.")
	default:
		t.Title, t.Text = l.say("Something went wrong here"), l.say("The console's log says what. Try again in a moment.")
	}
	return t
}

// why says in plain words why a call was refused.
func why(l *locale, r *api.Refusal) (reason, advice string) {
	whose := l.say("of the tenant %s", r.Tenant)
	switch {
	case r.Per == "User":
		whose = l.say("of each user")
	case r.Group != "":
		whose = l.say("of the group %s", r.Group)
	case r.Per == "Key":
		whose = l.say("of each API key")
	}
	switch r.Reason {
	case "BreakerForced":
		return l.say("An administrator has stopped all paid calls of the tenant %s.", r.Tenant), l.say("Ask them when calls go on.")
	case "BreakerOpen":
		return l.say("So much of the limit “%s” %s was spent that paid calls are stopped.", r.Limit, whose), l.say("Calls are made again when a new period begins, or an administrator raises the limit.")
	case "BudgetExhausted":
		return l.say("The call could have cost more than was left of the limit “%s” %s.", r.Limit, whose),
			l.say("Wait until the limit resets, make the call smaller or with a cheaper model, or ask for more.")
	case "TooLarge":
		return l.say("The call needs more than the rate limit “%s” %s allows at once.", r.Limit, whose), l.say("Make the call smaller: a shorter input, or a lower maximum of output.")
	}
	advice = l.say("Wait a moment and try again.")
	if r.RetryAfter != "" {
		advice = l.say("Wait %s and try again.", l.wait(r.RetryAfter))
	}
	return l.say("Calls came faster than the rate limit “%s” %s allows.", r.Limit, whose), advice
}

// words explain words of the ledger.
var words = map[string]string{
	"Settled": phrase("Completed"), "Voided": phrase("No cost"), "ChargedSeen": phrase("Cut off, charged for what was seen"), "ChargedHold": phrase("Charged in full, usage unknown"),
	"Admitted": phrase("As asked"), "Replaced": phrase("Cheaper model"), "Chosen": phrase("Chosen model"), "Fallback": phrase("Fallback model"),
	"Shadowed": phrase("Only observed"), "Bounded": phrase("From reserve"), "Refused": phrase("Refused"),
	"BreakerForced": phrase("Stopped by an administrator"), "BreakerOpen": phrase("Breaker open"), "BudgetExhausted": phrase("Budget used up"),
	"RateLimited": phrase("Too fast"), "TooLarge": phrase("Too large"),
	"Warn": phrase("Warning"), "Downgrade": phrase("Cheaper models"), "Trip": phrase("Calls stopped"), "Exhaust": phrase("Used up"), "ForceOpen": phrase("Stopped by an administrator"), "Test": phrase("Test"),
	"Unusual": phrase("Unusual spending"), "Refusals": phrase("Many refused calls"), "UnusedKey": phrase("Unused key"), "Request": phrase("Request for more"), "Decision": phrase("Request decided"),
	"Hour": phrase("per hour"), "Day": phrase("per day"), "Week": phrase("per week"), "Month": phrase("per month"), "Quarter": phrase("per quarter"), "Year": phrase("per year"), "Minute": phrase("per minute"),
	"Tenant": phrase("whole tenant"), "User": phrase("each user"), "Group": phrase("each group"), "Key": phrase("each API key"),
	"Tested": phrase("by a test"), "PeriodTurned": phrase("a new period began"), "LimitChanged": phrase("the limit changed"), "BudgetRemoved": phrase("the budget was removed"), "Decided": phrase("it was decided"),
	"Cache": phrase("the answer cache"), "CheapestModel": phrase("the cheapest model"), "Message": phrase("a message"),
	"user": phrase("User"), "group": phrase("Group"), "model": phrase("Model"), "provider": phrase("Provider"), "tenant": phrase("Tenant"),
	"OutputCaps": phrase("a cap on output"), "Fit": phrase("what was left of a limit"),
}

// word explains a word of the ledger; it returns the word itself if there is no explanation.
func (l *locale) word(word string) string {
	if text, ok := words[word]; ok {
		return l.say(text)
	}
	return word
}

// period is how often a limit of money resets: by the name of the period, or the length of a window.
func (l *locale) period(name string) string {
	if _, isNamed := words[name]; isNamed || name == "" {
		return l.word(name)
	}
	return l.say("per %s", name)
}

// phrase marks a text for translation that say gets later.
func phrase(text string) string { return text }

// wait is a duration as Go writes it, without parts too small to matter.
func (l *locale) wait(duration string) string {
	return strings.Replace(duration, ".", l.decimal, 1)
}
