// Package pages is what people see of the console: pages of usage, costs, calls, alerts, budgets, keys
// and Bursar's own health.
//
// A page gets its contents from the API's routes (console/api, QuestionOf), on behalf of the reader. It
// reads neither the ledger nor the cluster by itself, and shows nothing that the API would not answer.
// Pages are complete without JavaScript, and nothing in them is inline, which a strict
// Content-Security-Policy enforces. What is selected is in the URL.
//
// Its files: pages.go routes and answers, frame.go has what all pages share, words.go the texts in
// Spanish, locale.go numbers, money and dates, span.go the stretch of time that a page is about,
// chart.go the charts, forms.go and fields.go what forms share; every other file is a page, with its
// template in templates/.
package pages
