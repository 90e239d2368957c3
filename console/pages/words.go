package pages

// spanish are the texts in Spanish.
var spanish = map[string]string{}
