# Posthorn as a container: `postfix start-fg` is process 1, logs go to stdout, the queue is a volume.
FROM node:26-slim AS build
WORKDIR /opt/posthorn
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json ./
COPY src src
COPY conf conf
RUN npm run build && npm run build:system

FROM node:26-slim
RUN groupadd --system postdrop && useradd --system --home-dir /var/spool/postfix --no-create-home --shell /usr/sbin/nologin postfix \
 && mkdir -p /etc/postfix /var/spool/postfix /var/lib/postfix && chown postfix /var/lib/postfix
WORKDIR /opt/posthorn
COPY --from=build /opt/posthorn/dist dist
COPY --from=build /opt/posthorn/conf conf
# The launchers look for node/bin/node: here it is the one of the image.
RUN mkdir -p node/bin && ln -s /usr/local/bin/node node/bin/node \
 && for c in dist/bin/*; do ln -s "/opt/posthorn/$c" "/usr/sbin/$(basename "$c")"; done \
 && rm -f /usr/sbin/postdrop /usr/sbin/postqueue /usr/sbin/postlog && install -g postdrop -m 2755 dist/system/posthorn-setgid /usr/sbin/postdrop \
 && ln /usr/sbin/postdrop /usr/sbin/postqueue && ln /usr/sbin/postdrop /usr/sbin/postlog && rm -r dist/system \
 && cp conf/main.cf conf/master.cf /etc/postfix/ && printf 'maillog_file = /dev/stdout\n' >> /etc/postfix/main.cf && touch /etc/aliases && newaliases
VOLUME /var/spool/postfix
EXPOSE 25 587 465
CMD ["/usr/sbin/postfix", "start-fg"]
