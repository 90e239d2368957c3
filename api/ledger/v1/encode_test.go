package ledgerv1_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
)

// TestEncodedAsJSON: an entry is encoded as encoding/json would, whichever fields it has.
func TestEncodedAsJSON(t *testing.T) {
	entries := []ledgerv1.Entry{{}, settled()}
	for _, text := range []string{"plain", `"quoted\`, "<script>&", "Zoë", "\x00\n\u2028\xff", "DEL \x7f"} {
		entries = append(entries, filled(text))
	}
	for b := range 256 {
		entries = append(entries, filled("a"+string([]byte{byte(b)})))
	}
	fields := reflect.TypeFor[ledgerv1.Entry]().NumField()
	for i := range fields {
		var one ledgerv1.Entry
		fill(reflect.ValueOf(&one).Elem().Field(i), "alone")
		entries = append(entries, one)
	}
	for _, entry := range entries {
		want, err := json.Marshal(entry)
		if err != nil {
			t.Fatal(err)
		}
		if got := entry.Encode(); string(got) != string(want) {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}

// filled is an entry of which every field, also those that are added one day, has a value.
func filled(text string) (entry ledgerv1.Entry) {
	fill(reflect.ValueOf(&entry).Elem(), text)
	return entry
}

func fill(v reflect.Value, text string) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Date(2030, time.January, 2, 3, 4, 5, 678e6, time.FixedZone("", 3600))))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int64:
		v.SetInt(-7)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), text)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, key := range []string{text, text + " again"} {
			v.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(text))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), text)
		}
	default:
		panic("no value for a " + v.Type().String())
	}
}

func BenchmarkEncode(b *testing.B) {
	entry := settled()
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			entry.Encode()
		}
	})
	b.Run("by encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(entry); err != nil {
				b.Fatal(err)
			}
		}
	})
}
