# An image that does nothing but carry a wheel and its build.json to where the runtime image takes them from, as the
# devel image does. Its context is the directory that `python -m build wheel` leaves them in.
FROM scratch
COPY *.whl build.json /wheels/
