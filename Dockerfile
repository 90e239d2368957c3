# The images of the manager, the enforcer and the console: a program each, the certificate
# authorities that it trusts, and nothing else. `make images` builds all.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -o /programs/ ./controllers/cmd/manager ./enforcer/cmd/enforcer ./console/cmd/console

FROM scratch AS base
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
USER 65532:65532

FROM base AS manager
COPY --from=build /programs/manager /
ENTRYPOINT ["/manager"]

FROM base AS enforcer
COPY --from=build /programs/enforcer /
ENTRYPOINT ["/enforcer"]

FROM base AS console
COPY --from=build /programs/console /
ENTRYPOINT ["/console"]
