package pages

import (
	"fmt"
	"html/template"
	"reflect"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"

	"github.com/bursar-dev/bursar/console/api"
)

// languages are the languages of the pages, with the formats of the places where they are read.
// The first is the default.
var languages = []language.Tag{
	language.English, language.BritishEnglish, language.Spanish, language.LatinAmericanSpanish,
	language.MustParse("es-AR"), language.MustParse("es-CL"), language.MustParse("es-CO"), language.MustParse("es-MX"), language.MustParse("es-UY"),
}

var matcher = language.NewMatcher(languages)

// locale is how texts, numbers, money and dates are written for a reader.
type locale struct {
	tag       language.Tag
	isSpanish bool
	printer   *message.Printer
	// decimal separates the fraction of a number.
	decimal string
}

func newLocale(tag language.Tag) *locale {
	base, _ := tag.Base()
	l := &locale{tag: tag, isSpanish: base.String() == "es", printer: message.NewPrinter(tag)}
	l.decimal = strings.Trim(l.printer.Sprint(number.Decimal(1.5)), "15")
	return l
}

// say is a text in the reader's language; the code has it in English. Numbers among its
// arguments are written in the reader's format, so every verb is %s.
func (l *locale) say(text string, args ...any) string {
	if l.isSpanish {
		if translated, ok := spanish[text]; ok {
			text = translated
		}
	}
	for i, arg := range args {
		switch n := arg.(type) {
		case int:
			args[i] = l.number(int64(n))
		case int64:
			args[i] = l.number(n)
		}
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// count is a number of things, in the singular or the plural.
func (l *locale) count(n int64, one, several string) string {
	if n == 1 {
		return l.say(one, n)
	}
	return l.say(several, n)
}

func (l *locale) number(n int64) string { return l.printer.Sprint(number.Decimal(n)) }

// anyNumber is a number of a template, which may be of any integer type, or a pointer to one.
func (l *locale) anyNumber(n any) string {
	return l.printer.Sprint(number.Decimal(reflect.Indirect(reflect.ValueOf(n)).Interface()))
}

// percent is a whole percentage, or one with a digit after the point if it is below ten.
func (l *locale) percent(ratio float64) string {
	digits := 0
	if ratio > -.0995 && ratio < .0995 {
		digits = 1
	}
	return l.printer.Sprint(number.Percent(ratio, number.MaxFractionDigits(digits)))
}

// moneyText is an exact amount of US dollars.
func (l *locale) moneyText(m api.Money) string {
	sign, whole, fraction := l.moneyParts(m)
	return sign + whole + l.decimal + fraction
}

// moneyParts are an amount's sign and currency, its whole dollars, and the digits after these.
func (l *locale) moneyParts(m api.Money) (sign, whole, fraction string) {
	text, negative := strings.CutPrefix(m.USD, "-")
	whole, fraction, _ = strings.Cut(text, ".")
	if n, err := strconv.ParseInt(whole, 10, 64); err == nil {
		whole = l.number(n)
	}
	if negative {
		sign = "−"
	}
	return sign + l.currency(), whole, fraction
}

// currency is the sign of US dollars: a bare $ is another currency in much of America.
func (l *locale) currency() string {
	if l.isSpanish {
		return "US$ "
	}
	return "$"
}

// money is an exact amount, whose digits beyond cents are set back. In columns, the space of
// missing digits up to nine is kept free, so that amounts align.
func (l *locale) money(m api.Money) template.HTML {
	const digits = 9
	sign, whole, fraction := l.moneyParts(m)
	fraction += strings.Repeat("0", max(0, 2-len(fraction)))
	exact := ""
	if len(fraction) > 2 {
		exact = `<span class="sub">` + template.HTMLEscapeString(fraction[2:]) + "</span>"
	}
	if free := digits - len(fraction); free > 0 {
		exact += `<span class="sub free" aria-hidden="true">` + strings.Repeat("0", free) + "</span>"
	}
	return template.HTML(`<span class="money">` + template.HTMLEscapeString(sign+whole+l.decimal+fraction[:2]) + exact + "</span>") //nolint:gosec // escaped
}

// tenCents are in nano-dollars. Amounts below are never rounded.
const tenCents = 100_000_000

// short is an amount to the cent, with the exact one in its tooltip. Below ten cents it is
// exact.
func (l *locale) short(m api.Money) template.HTML {
	if m.Nanos < tenCents {
		return l.money(m)
	}
	return template.HTML(`<span class="money" title="` + template.HTMLEscapeString(l.moneyText(m)) + `">` + template.HTMLEscapeString(l.cents(m.Nanos)) + "</span>") //nolint:gosec // escaped
}

// cents is an amount rounded to the cent, for charts, whose table has the exact one.
func (l *locale) cents(nanos int64) string {
	const cent = 10_000_000
	sign := ""
	if nanos < 0 {
		sign, nanos = "−", -nanos
	}
	rounded := (nanos + cent/2) / cent
	return sign + l.currency() + l.number(rounded/100) + l.decimal + fmt.Sprintf("%02d", rounded%100)
}

// shortText is an amount to the cent, and below ten cents the exact one.
func (l *locale) shortText(m api.Money) string {
	if m.Nanos < tenCents {
		return l.moneyText(m)
	}
	return l.cents(m.Nanos)
}

// dollars is the mark of an axis: whole dollars, or an exact amount.
func (l *locale) dollars(nanos int64) string {
	const dollar = 1_000_000_000
	if nanos%dollar == 0 {
		return l.currency() + l.number(nanos/dollar)
	}
	return l.moneyText(dollarsOf(nanos))
}

var (
	englishMonths = strings.Fields("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec")
	spanishMonths = strings.Fields("ene feb mar abr may jun jul ago sep oct nov dic")
)

func (l *locale) monthDay(t time.Time) string {
	day, month := strconv.Itoa(t.Day()), int(t.Month())-1
	switch {
	case l.isSpanish:
		return day + " " + spanishMonths[month]
	case l.tag == language.English:
		return englishMonths[month] + " " + day
	}
	return day + " " + englishMonths[month]
}

// day is a date.
func (l *locale) day(t time.Time) string {
	if l.tag == language.English {
		return l.monthDay(t) + ", " + strconv.Itoa(t.Year())
	}
	return l.monthDay(t) + " " + strconv.Itoa(t.Year())
}

// clock is a time of day.
func (l *locale) clock(t time.Time) string {
	if l.tag == language.English {
		return t.Format("3:04 PM")
	}
	return t.Format("15:04")
}

// moment is a date and a time.
func (l *locale) moment(t time.Time) string { return l.day(t) + ", " + l.clock(t) }

// until is how long it is until a moment, in the two largest units.
func (l *locale) until(now, at time.Time) string {
	left := at.Sub(now)
	switch {
	case left <= 0:
		return l.say("now")
	case left < time.Minute:
		return l.count(int64(left/time.Second)+1, "in %s second", "in %s seconds")
	case left < time.Hour:
		return l.count(int64((left+time.Minute-1)/time.Minute), "in %s minute", "in %s minutes")
	case left < 48*time.Hour:
		hours, minutes := int64(left/time.Hour), int64(left%time.Hour/time.Minute)
		if minutes == 0 {
			return l.count(hours, "in %s hour", "in %s hours")
		}
		return l.say("in %s h %s min", hours, minutes)
	}
	return l.count(int64(left/(24*time.Hour)), "in %s day", "in %s days")
}
