package signin

import (
	"net/http"

	"golang.org/x/text/language"
)

// languageCookie is the cookie in which the console's pages keep the language that a reader
// has chosen.
const languageCookie = "bursar_language"

var languages = language.NewMatcher([]language.Tag{language.English, language.Spanish})

// languageOf is the reader's language: the one that they have chosen, or else the one that
// their browser asks for.
func languageOf(r *http.Request) string {
	asked := r.Header.Get("Accept-Language")
	if cookie, err := r.Cookie(languageCookie); err == nil {
		asked = cookie.Value
	}
	if _, at := language.MatchStrings(languages, asked); at == 1 {
		return "es"
	}
	return "en"
}

// say is a text in a language; the code has it in English.
func say(in, text string) string {
	if in == "es" {
		if translated, ok := spanish[text]; ok {
			return translated
		}
	}
	return text
}

var spanish = map[string]string{
	"Sign in":         "Iniciar sesión",
	"Sign in with %s": "Iniciar sesión con %s",
	"Sign out":        "Cerrar sesión",
	"Sign out?":       "¿Cerrar sesión?",

	textSignIn.Lead:         "No has iniciado sesión.",
	textChoose.Lead:         "Elige dónde iniciar sesión.",
	textOutNow.Title:        "Has cerrado la sesión",
	textOutNow.Lead:         "Donde iniciaste sesión puede que siga abierta: ciérrala también allí, si otras personas usan este equipo.",
	textNobody.Title:        "Aquí nadie inicia sesión",
	textNobody.Lead:         "Ningún IdentityProvider de esta consola tiene un cliente (spec.client). Entra desde la aplicación a la que pertenece esta consola, o pregunta a quien la administra.",
	textOut.Lead:            "Esto termina tu sesión en este navegador.",
	textExpired.Title:       "Tu sesión ha terminado",
	textExpired.Lead:        "Vuelve a iniciar sesión para continuar.",
	textUnavailable.Title:   "La consola no puede responder ahora",
	textUnavailable.Lead:    "Todavía no sabe quién puede preguntar, o no puede leerlo. Vuelve a intentarlo en un momento.",
	textTooMany.Title:       "Demasiados inicios de sesión",
	textTooMany.Lead:        "Hubo demasiados inicios de sesión desde tu dirección. Espera un momento y vuelve a intentarlo.",
	textNotBegun.Title:      "Este inicio de sesión no comenzó aquí",
	textNotBegun.Lead:       "Tardó demasiado, ya había terminado o comenzó en otro navegador; o tu navegador no acepta cookies. Vuelve a iniciar sesión.",
	textStaleForm.Title:     "El formulario no está actualizado",
	textStaleForm.Lead:      "No se cambió nada. Vuelve atrás, recarga la página y envía el formulario otra vez.",
	textCrossSite.Title:     "Rechazado",
	textCrossSite.Lead:      "La petición viene de una página de otro sitio, que no puede cambiar nada aquí. No se cambió nada.",
	textRefused.Title:       "%s no ha iniciado tu sesión",
	textRefused.Lead:        "Vuelve a intentarlo, o pregunta a quien administra el inicio de sesión si puedes usar la consola.",
	textIssuerAway.Title:    "No se pudo preguntar a %s quién eres",
	textIssuerAway.Lead:     "Vuelve a intentarlo en un momento. Si continúa, el registro de la consola dice por qué.",
	textMisconfigured.Title: "%s no está configurado",
	textMisconfigured.Lead:  "Avisa a quien administra la consola: su registro dice qué falta.",
	textNotTaken.Title:      "%s inicia tu sesión con un token que la consola no acepta",
	textNotTaken.Lead:       "Si continúa, avisa a quien administra la consola.",
	textTooLarge.Title:      "%s inicia tu sesión con un token demasiado grande",
	textTooLarge.Lead:       "Un navegador guarda unos 11 KB de él. Pide a quien administra el inicio de sesión que ponga menos grupos y roles en los tokens de la consola.",
}
