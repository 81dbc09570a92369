"""What gunicorn refuses by itself, in the words of the contract.

A request that is not proper HTTP never reaches the application, or fails while it reads the body. gunicorn
answers the first kind in HTML and lets the second kind surface as an application's fault (a 500).
"""

from __future__ import annotations

import socket
from http import HTTPStatus

import gunicorn.util
from flask import Flask, Response
from gunicorn.http.errors import ParseException

from riskapi import problems
from riskapi.problems import Problem


def install(app: Flask) -> None:
    """Make gunicorn in this process, and `app` below it, refuse broken HTTP with problem documents."""
    gunicorn.util.write_error = write_problem
    app.register_error_handler(ParseException, _broken_body)


def write_problem(client: socket.socket, status: int, reason: str, message: str) -> None:
    """In place of gunicorn.util.write_error, with its signature. gunicorn closes the connection afterwards."""
    content = problems.body(status, message or HTTPStatus(status).description)
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\n"
        f"Content-Type: {problems.CONTENT_TYPE}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    gunicorn.util.write_nonblock(client, head.encode("latin-1") + content)


def _broken_body(error: ParseException) -> Response:
    return problems.response(Problem(HTTPStatus.BAD_REQUEST, f"The body is not proper HTTP: {error}."))
