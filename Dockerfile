# One image for every process of Loginwatch: docker-compose.yml says which command runs where.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

# The risk service's volume takes the owner of the folder it is first mounted on.
RUN groupadd --system --gid 10001 loginwatch \
    && useradd --system --uid 10001 --gid loginwatch --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin loginwatch \
    && install --directory --owner loginwatch --group loginwatch --mode 0700 /var/lib/loginwatch

WORKDIR /srv/loginwatch

# Wheels only: nothing is compiled, so no compiler is needed.
COPY requirements.txt .
RUN pip install --only-binary=:all: -r requirements.txt

COPY . .
# The settings want values where DEBUG is off; these stand for them in this one command and go nowhere else.
RUN SECRET_KEY=of-the-build-only SITE_URL=http://localhost RISK_API_SECRET="whsec_$(printf '%024d' 0 | base64)" \
        python manage.py collectstatic --noinput \
    && python -m compileall -q accounts loginwatch riskapi workflows

USER loginwatch
CMD ["gunicorn", "loginwatch.wsgi"]
