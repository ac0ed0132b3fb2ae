/* What a kernel of TensorFlow is like, in few lines: a loop that the compiler turns into vectors, and code by hand for
   512 bits as Eigen has it, there only when the flags allow it. Prints a number that is known beforehand. */
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#define N 1024

/* not by <stdio.h>: there are no headers here for compiling on one kind of machine for another */
int printf(const char *format, ...);

void multiply_add(float *restrict sum, const float *restrict a, const float *restrict b, int n) {
    for (int i = 0; i < n; i++) sum[i] += a[i] * b[i];
}

#ifdef __AVX512F__
void multiply_add_512(float *sum, const float *a, const float *b, int n) {
    for (int i = 0; i < n; i += 16) {
        __m512 product = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), _mm512_loadu_ps(sum + i));
        _mm512_storeu_ps(sum + i, product);
    }
}
#else
#define multiply_add_512 multiply_add
#endif

int main(void) {
    static float sum[N], a[N], b[N];
    float total = 0;
    for (int i = 0; i < N; i++) {
        a[i] = 2;
        b[i] = (float)(i % 4);
    }
    multiply_add(sum, a, b, N);
    multiply_add_512(sum, a, b, N);
    for (int i = 0; i < N; i++) total += sum[i];
    printf("%.0f\n", total);
    return 0;
}
