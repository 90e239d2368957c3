package pages

import (
	"fmt"
	"html/template"
	"slices"

	"github.com/bursar-dev/bursar/console/api"
)

// text is a text as say has it. If arguments are markup, such as money, the text is escaped and
// they are not.
func (l *locale) text(text string, args ...any) any {
	if !slices.ContainsFunc(args, func(arg any) bool { _, isMarkup := arg.(template.HTML); return isMarkup }) {
		return l.say(text, args...)
	}
	for i, arg := range args {
		if _, isMarkup := arg.(template.HTML); !isMarkup {
			args[i] = template.HTMLEscapeString(l.say("%s", arg))
		}
	}
	return template.HTML(fmt.Sprintf(template.HTMLEscapeString(l.say(text)), args...)) //nolint:gosec // escaped
}

// functions are what templates may use.
func (p *Pages) functions(l *locale) template.FuncMap {
	return template.FuncMap{
		"t": l.text, "n": l.count, "num": l.anyNumber, "usd": l.money, "short": l.short, "period": l.period, "word": l.word,
		"asset": func(name string) string { return p.assets.paths[name] },
		"saved": saved, "cheaper": cheaper, "tokens": tokens,
		"share": func(part, whole api.Money) string {
			if whole.Nanos == 0 {
				return ""
			}
			return l.percent(float64(part.Nanos) / float64(whole.Nanos))
		},
		"change": func(now api.Money, before *api.Money) string {
			if before == nil || before.Nanos == 0 {
				return ""
			}
			ratio := float64(now.Nanos-before.Nanos) / float64(before.Nanos)
			if ratio > 0 {
				return "+" + l.percent(ratio)
			}
			return l.percent(ratio)
		},
		"percent": func(n int64) string { return l.percent(float64(n) / 100) },
		"day":     l.day,
	}
}
