package litellm

import (
	"regexp"
	"strconv"
	"time"
)

var isDuration = regexp.MustCompile(`^([0-9]+)(s|m|h|d|w|mo|y)$`)

// days is the length of each of LiteLLM's units of the calendar, in days.
var days = map[string]int{"d": 1, "w": 7, "mo": 30, "y": 365}

// calendar are the periods of limits, and the duration of LiteLLM's that each stands for, in days.
var calendar = []struct {
	days   int
	period string
}{{1, "Day"}, {7, "Week"}, {30, "Month"}, {90, "Quarter"}, {365, "Year"}}

// period is the period of a limit whose budget LiteLLM resets after a duration, and how the two
// differ. If no period is as long, it is the next longer one, in which the amount allows less.
func period(duration string) (period, differs string) {
	if duration == "" {
		return "Year", "never begins anew in LiteLLM, and does each year here"
	}
	parts := isDuration.FindStringSubmatch(duration)
	if parts == nil {
		return "Year", "has the duration " + strconv.Quote(duration) + ", which is not known: it begins anew each year"
	}
	count, err := strconv.Atoi(parts[1])
	if err != nil || count == 0 {
		return "Year", "has the duration " + strconv.Quote(duration) + ", which is not known: it begins anew each year"
	}
	if unit := days[parts[2]]; unit > 0 {
		return longEnough(duration, count*unit)
	}
	length, err := time.ParseDuration(duration)
	switch {
	case err != nil || length > 24*time.Hour:
		return longEnough(duration, int((length+24*time.Hour-1)/(24*time.Hour)))
	case length == 24*time.Hour:
		return "Day", ""
	}
	return duration, "begins anew at multiples of " + duration + " since 1970, and not " + duration + " after it began"
}

// longEnough is the shortest period of the calendar with at least so many days.
func longEnough(duration string, length int) (period, differs string) {
	for _, c := range calendar {
		switch {
		case length == c.days:
			return c.period, ""
		case length < c.days:
			return c.period, "begins anew after " + duration + " in LiteLLM, and each " + c.period + " here"
		}
	}
	return "Year", "begins anew after " + duration + " in LiteLLM, and each year here, which allows more"
}
